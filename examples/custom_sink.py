"""A sink of your own: a CSV of the people in each frame. A slow sink never slows detection: its queue drops the oldest.

python examples/custom_sink.py video.mp4 people.csv
"""

import csv
import sys
from pathlib import Path
from threading import Event

from edgessd import Detector, PostProcess, Streams
from edgessd.streams import QueuedSink, Result, Status


class PeopleCsv:
    """One row a frame: stream, frame, time, people."""

    needs_image = False  # the queue need not hold the pixels

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("w", newline="")  # noqa: SIM115
        self._rows = csv.writer(self._file)
        self._rows.writerow(["stream", "frame", "age_ms", "people"])

    def write(self, result: Result) -> None:
        self._rows.writerow([result.frame.source, result.frame.index, round(result.age * 1000), len(result.detections)])

    def report(self, status: Status) -> None:
        print(status.name, status.state.value, status.reason or "")

    def close(self) -> None:
        self._file.close()


source, target = sys.argv[1:]
people = QueuedSink("people", PeopleCsv(target))
with Detector(settings=PostProcess(labels=("person",))) as detector, Streams(detector, [people]) as streams:
    streams.add("video", source)
    streams.wait(Event())
