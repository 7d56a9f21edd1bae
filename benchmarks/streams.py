"""Many paced cameras at once: rate, frame age and drops of each.

`python benchmarks/streams.py VIDEO --streams 4 --fps 15` plays a video as so many cameras, each decoded by itself,
through one detector, as `edgessd run` does, and prints a row a stream. Each begins at a place of its own in the video.
`most_cameras.py` searches for the most cameras that hold their rate.
"""

import argparse
import json
import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from edgessd import Detector, PostProcess
from edgessd.bench.measure import percentiles_ms
from edgessd.model.postprocess import FAINT
from edgessd.sources import Repeated, VideoFile
from edgessd.streams import QueuedSink, Streams
from edgessd.streams.capacity import default_workers

WARM_UP_SECONDS = 3.0


class FromWithin(VideoFile):
    """A video that begins at a share of its length the first time, and is whole from then on."""

    def __init__(self, path: Path, share: float) -> None:
        self._share = 0.0
        super().__init__(path)
        self._share, self._frames, self.frame_count = share, self.frame_count or 0, None

    def open_capture(self) -> cv2.VideoCapture:
        """Return the opened file."""
        capture = super().open_capture()
        if self._share:
            capture.set(cv2.CAP_PROP_POS_FRAMES, int(self._share * self._frames))
            self._share = 0.0
        return capture


class Ages:
    """A sink that keeps the age of every result."""

    needs_image = False

    def __init__(self) -> None:
        self.ages: dict[str, list[float]] = {}
        self.frames: dict[str, list[int]] = {}

    def write(self, result: object) -> None:
        """Keep one."""
        self.ages.setdefault(result.frame.source, []).append(result.age)
        self.frames.setdefault(result.frame.source, []).append(result.frame.index)

    def report(self, status: object) -> None:
        """States are not measured here."""

    def close(self) -> None:
        """Nothing is open."""


def measure(
    video: Path,
    model: str,
    *,
    streams: int,
    fps: float,
    seconds: float,
    workers: int,
    batch: int,
    interval: str = "1",
    motion: bool = False,
    backend: str = "auto",
    warm_up: float = WARM_UP_SECONDS,
) -> dict:
    """Return the figures of every stream, after a warm-up."""
    ages = Ages()
    skips = motion or interval != "1"
    with (
        Detector(
            model, backend=backend, workers=workers, settings=PostProcess(faint=FAINT if skips else None)
        ) as detector,
        Streams(
            detector, [QueuedSink("ages", ages, capacity=10_000)], workers=workers, batch=batch, track=skips
        ) as running,
    ):
        for index in range(streams):
            # A camera starts when it likes; in step they would all want the cores at the same moment.
            time.sleep(1 / fps / streams)
            share = index / streams
            running.add(
                f"camera-{index}",
                lambda share=share: Repeated(FromWithin(video, share), fps),
                interval=interval,
                motion=motion,
            )
        threading.Event().wait(warm_up)
        before = {status.name: status for status in running.statuses()}
        skipped = {name: len(values) for name, values in ages.ages.items()}
        start, cpu = time.monotonic(), time.process_time()
        threading.Event().wait(seconds)
        took, cpu = time.monotonic() - start, time.process_time() - cpu
        after = {status.name: status for status in running.statuses()}
        rows = {}
        for name, status in sorted(after.items()):
            counted = np.array(ages.ages.get(name, [])[skipped.get(name, 0) :])
            rows[name] = {
                "fps": round(len(counted) / took, 2),
                "read_fps": round((status.frames - before[name].frames) / took, 2),
                "dropped": status.dropped - before[name].dropped,
                "age_ms": percentiles_ms(counted) if len(counted) else None,
                "in_order": bool(np.all(np.diff(ages.frames.get(name, [])) > 0)),
            }
        everything = np.concatenate([values[skipped.get(name, 0) :] for name, values in ages.ages.items()])
    rates = [row["fps"] for row in rows.values()]
    return {
        "streams": rows,
        "age_ms_of_all": percentiles_ms(everything),
        "fps_spread": round((max(rates) - min(rates)) / max(rates), 4),
        "cores_busy": round(cpu / took, 2),
        "cpu_ms_per_frame": round(cpu / max(1, len(everything)) * 1e3, 2),
        "skipped": round(
            sum(sum(status.skipped.values()) for status in after.values())
            / max(1, sum(status.frames for status in after.values())),
            3,
        ),
        "load_average": os.getloadavg()[0],
        "workers": workers,
        "batch": batch,
        "model": detector.path.name,
        "backend": detector.backend.name,
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--interval", default="1", help="A number, or auto.")
    parser.add_argument("--motion", action="store_true")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="Seconds before what is measured.")
    options = vars(parser.parse_args())
    print(json.dumps(measure(options.pop("video"), options.pop("model"), **options), indent=1))


if __name__ == "__main__":
    main()
