"""What it costs not to detect in every frame: boxes kept, tracks missed, frames skipped, CPU time.

`python benchmarks/skipping.py VIDEO... --interval 3` runs each video with every frame detected in, then with the
given settings, in turns, and prints JSON. The tracked boxes of the first run are the reference.
"""

import argparse
import json
import resource
from pathlib import Path

import numpy as np

from edgessd import Detector, PostProcess, Streams
from edgessd.model.boxes import iou
from edgessd.model.postprocess import FAINT
from edgessd.streams.result import Result
from edgessd.tracking.assignment import exact

SAME = 0.5  # IoU
LONG_SECONDS = 1.0


def run(detector: Detector, video: Path, **settings: object) -> tuple[list[Result], float]:
    """Return the results of a video, without pixels, and the CPU seconds that they took."""
    results = []
    before = _cpu_seconds()
    with Streams(detector, workers=2, track=True) as streams:
        streams.add("video", str(video), **settings)
        for result in streams:
            results.append((result.frame.index, result.frame.media_time, result.frame.skip, result.detections))
    return results, _cpu_seconds() - before


def compare(reference: list, other: list) -> dict:
    """Return which share of the reference's tracked boxes the other run has, and which of its tracks it never has."""
    kept = boxes = extra = 0
    seconds: dict[int, list[float]] = {}
    met: set[int] = set()
    for (_, at, _, true), (*_, found) in zip(reference, other, strict=True):
        tracked = true[true.ids > 0]
        same = iou(tracked.boxes_xyxy, found.boxes_xyxy) * (tracked.classes[:, None] == found.classes[None, :])
        rows, _ = exact(same.astype(np.float64), SAME)
        kept, boxes, extra = kept + len(rows), boxes + len(tracked), extra + len(found) - len(rows)
        for track in tracked.ids.tolist():
            seconds.setdefault(track, []).append(at)
        met |= set(tracked.ids[rows].tolist())
    long = {track for track, times in seconds.items() if times[-1] - times[0] > LONG_SECONDS}
    empty = [index for index, (*_, true) in enumerate(reference) if len(true) == 0]
    skipped = [each[2] is not None for each in other]
    return {
        "boxes": boxes,
        "kept": round(kept / max(boxes, 1), 4),
        "boxes_more": extra,
        "tracks_over_1_s": len(long),
        "of_them_missed": len(long - met),
        "skipped": round(float(np.mean(skipped)), 3),
        "empty_frames": len(empty),
        "skipped_of_empty": round(float(np.mean([skipped[index] for index in empty])), 3) if empty else None,
    }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--interval", type=int, default=1)
    parser.add_argument("--motion", action="store_true")
    parser.add_argument("--classes", help="Judge these labels only, comma-separated.")
    parser.add_argument("--rounds", type=int, default=3, help="Of both runs in turns, for the CPU time.")
    options = parser.parse_args()
    settings = {"interval": options.interval} | ({"motion": True} if options.motion else {})
    labels = tuple(options.classes.split(",")) if options.classes else None
    report = {}
    with Detector(options.model, workers=2, settings=PostProcess(faint=FAINT, labels=labels)) as detector:
        for video in options.videos:
            times = []
            for _ in range(options.rounds):
                reference, full = run(detector, video)
                other, less = run(detector, video, **settings)
                times.append((full, less))
            full, less = np.median(times, axis=0)
            report[video.name] = compare(reference, other) | {
                "frames": len(reference),
                "cpu_ms_per_frame": [round(each / len(reference) * 1e3, 2) for each in (full, less)],
                "cpu_share": round(float(np.median([less / full for full, less in times])), 3),
            }
    print(json.dumps({"settings": settings, "videos": report}, indent=1))


if __name__ == "__main__":
    main()
