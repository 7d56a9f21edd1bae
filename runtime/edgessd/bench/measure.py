"""Measures the product's own pipeline: stages, rate, CPU time, frame age, memory, and the machine's limit."""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.detector import Detector
from edgessd.device import ROOT
from edgessd.device.machine import machine
from edgessd.device.sampler import Sampler
from edgessd.sources import Frame, Source
from edgessd.streams import Streams
from edgessd.streams.result import Result
from edgessd.util.cores import usable_cores
from edgessd.util.progress import frame_progress

WARM_UP = 30
MEMORY_SETTLED = 1000  # frames after which memory must be flat
STAGES = ("decode", "resize", "inference", "postprocess", "hand_over", "overhead")


@dataclass
class Synthetic(Source):
    """Frames made in memory, for a measurement without a video: blobs that move, 1280x720."""

    name: str = "generated 1280x720 frames (no video decoding)"
    live: bool = False
    fps: float | None = None
    frame_count: int | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames without end."""
        coarse = np.random.RandomState(0).randint(0, 256, (18, 32, 3)).astype(np.uint8)
        wide = np.asarray(cv2.resize(coarse, (2560, 720), interpolation=cv2.INTER_LINEAR), np.uint8)
        index = 0
        while True:
            start = time.monotonic()
            shift = index * 4 % 1280
            image = wide[:, shift : shift + 1280].copy()
            now = time.monotonic()
            yield Frame(image, self.name, index, now, now - start)
            index += 1


@dataclass(frozen=True)
class Measurement:
    """What one run gave; ``as_json`` is the form of ``bench --json``. board: as ``Sampler.summary`` tells it."""

    frames: int
    seconds: float
    cpu_seconds: float
    dropped: int
    stages: dict[str, NDArray[np.float64]]
    ages: NDArray[np.float64]
    rss_mb: float
    rss_growth_mb: float | None
    workers: int
    source: str
    live: bool
    board: dict[str, Any] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Return frames per second, end to end."""
        return self.frames / self.seconds

    @property
    def limit_fps(self) -> float:
        """Return what the cores could do at this CPU time a frame: cores / (CPU-seconds per frame)."""
        return usable_cores() / (self.cpu_seconds / self.frames)

    @property
    def fps_per_watt(self) -> float | None:
        """Return frames a second for each watt of the board, None where it does not tell its power."""
        power = self.board.get("power_w")
        return self.fps / power["mean"] if power and power["mean"] > 0 else None

    def as_json(self, detector: Detector) -> dict[str, Any]:
        """Return the figures with the machine, the model and the versions they were measured with."""
        board = {"board": self.board} if self.board else {}
        per_watt = {} if self.fps_per_watt is None else {"fps_per_watt": round(self.fps_per_watt, 3)}
        return {
            "fps": round(self.fps, 2),
            "limit_fps": round(self.limit_fps, 2),
            "cpu_ms_per_frame": round(self.cpu_seconds / self.frames * 1e3, 3),
            "stages": {stage: percentiles_ms(values) for stage, values in self.stages.items()},
            "frame_age_ms": percentiles_ms(self.ages),
            "rss_mb": round(self.rss_mb, 1),
            "rss_growth_mb": self.rss_growth_mb,
            **per_watt,
            **board,
            "frames": self.frames,
            "dropped": self.dropped,
            "workers": self.workers,
            "live": self.live,
            "source": self.source,
            "model": {
                "name": detector.card.name,
                "file": detector.path.name,
                "precision": detector.card.precision,
                "contract": detector.card.contract,
                "backend": detector.backend.name,
            },
            "machine": machine(),
        }


def percentiles_ms(seconds: NDArray[np.float64] | list[float]) -> dict[str, float]:
    """Return the 50th, 90th and 99th percentile in milliseconds."""
    values = np.percentile(np.array(seconds) * 1e3, [50, 90, 99])
    return dict(zip(("p50", "p90", "p99"), (round(float(value), 3) for value in values), strict=True))


def measure(source: Source, detector: Detector, *, frames: int, workers: int, root: Path = ROOT) -> Measurement:
    """Run a source through the pipeline and return the figures; the first frames warm up and are not counted.

    root: where the board's own files lie.
    """
    # Filled beforehand, so that the record itself does not grow the memory that is measured.
    rows = np.full((frames, len(STAGES) + 1), np.nan)
    counted = 0
    settled_mb = start = cpu_start = dropped_before = 0.0
    with (
        Streams(detector, workers=workers) as streams,
        frame_progress(source.name, frames) as progress,
        Sampler(root) as sampler,
    ):
        streams.add(source.name, lambda: source, rename=False)
        for index, result in enumerate(streams):
            if index == WARM_UP - 1:
                sampler.restart()
                start, cpu_start, dropped_before = time.monotonic(), time.process_time(), streams.dropped
            if index >= WARM_UP:
                rows[counted] = (*_stage_seconds(result, live=source.live), result.age)
                counted += 1
                progress.count()
            if index == WARM_UP + MEMORY_SETTLED:
                settled_mb = rss_mb()
            if counted == frames:
                break
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu_start
        dropped = int(streams.dropped - dropped_before)
        board = sampler.summary()
    return Measurement(
        frames=counted,
        seconds=seconds,
        cpu_seconds=cpu,
        dropped=dropped,
        stages={
            stage: rows[:counted, column]
            for column, stage in enumerate(STAGES)
            if not np.isnan(rows[:counted, column]).any()
        },
        ages=rows[:counted, -1],
        rss_mb=rss_mb(),
        rss_growth_mb=round(rss_mb() - settled_mb, 2) if settled_mb else None,
        workers=workers,
        source=source.name,
        live=source.live,
        board=board,
    )


def _stage_seconds(result: Result, *, live: bool) -> tuple[float, ...]:
    """Return the seconds of every stage in STAGES.

    decode is NaN where the source cannot tell it from its wait. hand_over is what no stage accounts for; live, it
    begins at the capture. overhead is all but decoding and inference.
    """
    times = result.stages
    decode = math.nan if result.frame.read_seconds is None else result.frame.read_seconds
    began = result.frame.captured_at if live else result.started_at
    hand_over = result.finished_at - began - (times.resize + times.inference + times.postprocess)
    overhead = times.resize + times.postprocess + hand_over
    return decode, times.resize, times.inference, times.postprocess, hand_over, overhead


def rss_mb() -> float:
    """Return this process's resident memory in MB, NaN where the system does not tell."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return float("nan")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
