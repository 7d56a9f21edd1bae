"""Pictures of what was found, not more often than wanted, the oldest deleted."""

import time
from pathlib import Path

from edgessd.sinks.draw import draw
from edgessd.sinks.images import write_image
from edgessd.sinks.kept_files import KeptFiles
from edgessd.streams.result import Result
from edgessd.streams.status import Status
from edgessd.util.files import writable


class Snapshots:
    """An annotated JPEG when a frame holds a detection: ``FOLDER/STREAM_20261123-101502-042.jpg``."""

    needs_image = True

    def __init__(self, folder: Path, labels: tuple[str, ...], *, interval: float, keep: int) -> None:
        """interval: at least so many seconds between two of a stream. keep: of a stream. Raises InputError."""
        writable(folder / "snapshot.jpg") if folder.is_dir() else writable(folder)
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._labels = labels
        self._interval = interval
        self._kept = KeptFiles(folder, ".jpg", keep)
        self._last: dict[str, float] = {}

    def write(self, result: Result) -> None:
        """Write one picture if it is time for one. Raises VideoError when the disk refuses it."""
        name, captured = result.frame.source, result.frame.captured_at
        if not len(result.detections) or captured - self._last.get(name, -self._interval) < self._interval:
            return
        self._last[name] = captured
        taken = time.time() - (time.monotonic() - captured)
        path = self._folder / f"{name}_{stamp(taken)}.jpg"
        write_image(path, draw(result.frame.image, result.detections, self._labels))
        self._kept.tidy(name)

    def report(self, status: Status) -> None:
        """A stream that is away gives no picture."""

    def close(self) -> None:
        """Nothing is left open."""


def stamp(seconds: float) -> str:
    """Return a wall-clock time for file names, to the millisecond, in UTC: names sort by age."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds)) + f"-{int(seconds % 1 * 1000):03d}"
