"""What an acceptance report measures: the pipeline, a camera of 60 FPS, and calls of one and of eight images."""

import re
from collections.abc import Callable
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from edgessd.backends.cuda.library import state
from edgessd.bench.measure import measure, percentiles_ms
from edgessd.detector import Detector
from edgessd.device import ROOT
from edgessd.device.sampler import Sampler
from edgessd.errors import EdgessdError
from edgessd.sources import Repeated, Source

FORMAT = 1
TARGET_FPS = 59.0  # SSD300's batch 8 on a Titan X (paper, table 7)
PACE = 60.0
BATCHES = (1, 8)
WARM_UP_CALLS = 5
LEAST_CALLS = 20
CALL_STAGES = ("resize", "inference", "postprocess", "call")


def accept(
    source: Repeated, open_detector: Callable[[int], Detector], *, frames: int, workers: int, root: Path = ROOT
) -> dict[str, Any]:
    """Return all figures of a model on this machine, as report.json holds them; what is not there has no key.

    source: a live one is its own camera, any other is also played as a camera of 60 FPS. open_detector: opens the
    model for so many workers. frames: frames, or images in calls, of each measurement.
    """
    with open_detector(workers) as detector:
        pipeline = measure(source, detector, frames=frames, workers=workers, root=root)
        figures = pipeline.as_json(detector)
    figures["source"] = without_folders(figures["source"])
    # A camera's frame has all cores: one worker, as `edgessd detect` runs it.
    with open_detector(1) as detector:
        paced = pipeline
        if not pipeline.live:
            paced = measure(Repeated(source.source, PACE), detector, frames=frames, workers=1, root=root)
        images = _images(source)
        batches = {str(size): _calls(detector, images, size, frames, root) for size in BATCHES}
    read = paced.frames + paced.dropped
    gpu = state()
    return {
        "format": FORMAT,
        "machine": figures.pop("machine"),
        **({"gpu": {"driver_cuda": gpu.driver_version, "name": gpu.devices[0].name}} if gpu.devices else {}),
        "model": figures.pop("model"),
        "target_fps": TARGET_FPS,
        # A camera sets its own pace, which says nothing of what the machine could do.
        **({} if pipeline.live else {"target_met": pipeline.fps >= TARGET_FPS}),
        "pipeline": figures,
        "camera": {
            "pace": None if pipeline.live else PACE,
            "fps": round(paced.fps, 2),
            "frame_age_ms": percentiles_ms(paced.ages),
            "frames": read,
            "dropped": paced.dropped,
        },
        "batches": batches,
    }


def without_folders(source: str) -> str:
    """Return a source's name without the folders of this machine: a file's, or those inside a pipeline's text."""
    if source.startswith("gst:"):
        return re.sub(r"(?<=[\s=\"'])/(?:[^/\s!\"']+/)+", "", source)
    return source if "://" in source else Path(source).name


def _images(source: Source) -> list[Any]:
    """Return as many frames as the largest call takes, the same again where the source is shorter."""
    frames: Any = source.frames()
    with closing(frames):
        found = [frame.image.copy() for frame in islice(frames, max(BATCHES))]
    return list(islice(cycle(found), max(BATCHES)))


def _calls(detector: Detector, images: list[Any], size: int, frames: int, root: Path) -> dict[str, Any]:
    """Return the time of calls of ``size`` images, or why the model takes no such call."""
    most = detector.backend.most
    if most is not None and most < size:
        return {"skipped": f"the model takes {most} at once: export it without --batch, or build it with --max-batch"}
    calls = max(LEAST_CALLS, frames // size)
    rows = np.empty((calls, len(CALL_STAGES)))
    try:
        for _ in range(WARM_UP_CALLS):
            detector.detect_batch(images[:size])
        with Sampler(root) as sampler:
            sampler.restart()
            for index in range(calls):
                start = perf_counter()
                share = detector.detect_batch_timed(images[:size])[0][1]
                seconds = perf_counter() - start
                rows[index] = share.resize * size, share.inference * size, share.postprocess * size, seconds
            board = sampler.summary()
    except EdgessdError as error:
        return {"skipped": str(error)}
    fps = calls * size / float(rows[:, -1].sum())
    power = board.get("power_w", {}).get("mean")
    return {
        "calls": calls,
        "fps": round(fps, 2),
        "stages": {stage: percentiles_ms(rows[:, column]) for column, stage in enumerate(CALL_STAGES)},
        **({"power_w": power, "fps_per_watt": round(fps / power, 3)} if power else {}),
    }
