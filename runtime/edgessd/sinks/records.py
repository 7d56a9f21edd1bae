"""Lines about many streams, JSON or CSV, in files that rotate."""

import csv
import io
import json
import time
from collections.abc import Iterable
from pathlib import Path

from edgessd.sinks.lines import result_as_json
from edgessd.sinks.rotation import RotatingFile
from edgessd.streams.result import Result
from edgessd.streams.status import Status

CSV_COLUMNS = ("time", "source", "frame", "age_ms", "label", "score", "x1", "y1", "x2", "y2")


class JsonRecords:
    """A JSON line a frame, as ``detect --jsonl`` writes it, and one with ``state`` when a stream's state changes."""

    needs_image = False

    def __init__(self, path: Path, labels: tuple[str, ...], *, max_bytes: int, keep: int) -> None:
        """Raises InputError for a place that cannot be written."""
        self._labels = labels
        self._file = RotatingFile(path, max_bytes=max_bytes, keep=keep)

    def write(self, result: Result) -> None:
        """Append one frame."""
        self._file.write(json.dumps(result_as_json(result, self._labels)))

    def report(self, status: Status) -> None:
        """Append one state."""
        self._file.write(json.dumps(status.as_json()))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CsvRecords:
    """A row a detection; frames without any and states leave none."""

    needs_image = False

    def __init__(self, path: Path, labels: tuple[str, ...], *, max_bytes: int, keep: int) -> None:
        """Raises InputError for a place that cannot be written."""
        self._labels = labels
        self._file = RotatingFile(path, max_bytes=max_bytes, keep=keep, header=",".join(CSV_COLUMNS))

    def write(self, result: Result) -> None:
        """Append the frame's detections."""
        captured = time.time() - (time.monotonic() - result.frame.captured_at)
        place = (f"{captured:.3f}", result.frame.source, result.frame.index, f"{result.age * 1e3:.2f}")
        for found in result.detections.as_json(self._labels):
            self._file.write(_row((*place, found["label"], found["score"], *found["box"])))

    def report(self, status: Status) -> None:
        """Leave out: a table of detections has no place for states."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _row(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
