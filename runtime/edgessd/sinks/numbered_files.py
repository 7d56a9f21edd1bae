"""Files of a stream in the order they were made, whatever the clock said; the oldest go."""

import re
import time
from collections import deque
from pathlib import Path


class NumberedFiles:
    """The newest ``keep`` files ``FOLDER/STREAM_000042_20261123-101502-042.jpg`` of every stream; 0 keeps all.

    The number goes on from what lies in the folder: a board without a battery starts in 1970, and its newest file
    must not look like its oldest. The time, UTC, is for people. Files without a number are older than all others.
    """

    def __init__(self, folder: Path, suffix: str, keep: int) -> None:
        self._folder = folder
        self._suffix = suffix
        self._keep = keep
        self._next: dict[str, int] = {}
        self._files: dict[str, deque[Path]] = {}

    def new(self, stream: str, seconds: float) -> Path:
        """Return the path of a stream's next file. seconds: its wall-clock time."""
        if stream not in self._next:
            self._recover(stream)
        number = self._next[stream]
        self._next[stream] += 1
        return self._folder / f"{stream}_{number:06d}_{_stamp(seconds)}{self._suffix}"

    def added(self, stream: str, path: Path) -> None:
        """Count a file that is in place, and delete what is too old."""
        files = self._files[stream]
        files.append(path)
        while self._keep and len(files) > self._keep:
            files.popleft().unlink(missing_ok=True)

    def _recover(self, stream: str) -> None:
        pattern = re.compile(rf"{re.escape(stream)}_(?:(\d{{6,18}})_)?\d{{8}}-\d{{6}}-\d{{3}}{re.escape(self._suffix)}")
        found = []
        for path in self._folder.iterdir():
            if (match := pattern.fullmatch(path.name)) is None:
                continue
            if path.stat().st_size:
                found.append((int(match[1] or 0), path.name, path))
            else:
                path.unlink(missing_ok=True)  # a full disk or a power cut left it empty
        found.sort()
        self._next[stream] = found[-1][0] + 1 if found else 1
        self._files[stream] = deque(path for _, _, path in found)


def _stamp(seconds: float) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds)) + f"-{int(seconds % 1 * 1000):03d}"
