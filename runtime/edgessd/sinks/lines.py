"""A JSON line a frame."""

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from edgessd.streams.result import Result
from edgessd.util.files import writable


class JsonlSink:
    """A JSON line a frame, written as it happens; ``-`` is standard output."""

    def __init__(self, target: str, labels: tuple[str, ...]) -> None:
        """Raises InputError for a place that cannot be written."""
        self._labels = labels
        self._own = target != "-"
        self._file: TextIO = (
            writable(Path(target)).open("w", encoding="utf-8", buffering=1) if self._own else sys.stdout
        )

    def write(self, result: Result) -> None:
        """Append one line."""
        self._file.write(json.dumps(result_as_json(result, self._labels)) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._own:
            self._file.close()
        else:
            self._file.flush()


def result_as_json(result: Result, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return source, frame, wall-clock time of capture (seconds since 1970), age and detections.

    ``media_time``, the seconds since a file's first frame, stands there for files.
    """
    media = {} if result.frame.media_time is None else {"media_time": round(result.frame.media_time, 4)}
    captured = time.time() - (time.monotonic() - result.frame.captured_at)
    return {
        "source": result.frame.source,
        "frame": result.frame.index,
        "time": round(captured, 3),
        **media,
        "age_ms": round(result.age * 1e3, 2),
        "detections": result.detections.as_json(labels),
    }
