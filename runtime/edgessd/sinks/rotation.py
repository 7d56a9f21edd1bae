"""A text file that starts anew when it is long, and keeps the last few."""

from pathlib import Path
from typing import TextIO

from edgessd.errors import InputError
from edgessd.util.files import writable


class RotatingFile:
    """Appends lines to ``path``; when it would pass ``max_bytes`` it becomes ``path.1``, and that one ``path.2``.

    Every line is written at once: a killed process loses none.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep: int, header: str = "") -> None:
        """keep: how many old files stay. header: the first line of every file. Raises InputError."""
        self._path = writable(path)
        self._max_bytes = max_bytes
        self._keep = keep
        self._header = header
        self._file: TextIO | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise self._refused(error) from error
        self._size = self._file.tell()
        if self._header and not self._size:
            self._write(self._header)

    def write(self, line: str) -> None:
        """Append one line, without its end. Raises InputError when the disk refuses it."""
        if self._file is None:
            self._open()
        if self._size and self._size + len(line) + 1 > self._max_bytes:
            self.close()
            self._rotate()
            self._open()
        self._write(line)

    def _write(self, line: str) -> None:
        assert self._file is not None
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise self._refused(error) from error
        self._size += len(line.encode()) + 1

    def _refused(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self._path}: {error.strerror}", fix="free space or choose another place")

    def _rotate(self) -> None:
        old = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        if self._keep == 0:
            self._path.unlink(missing_ok=True)
            return
        for older, newer in zip(reversed(old[1:]), reversed(old[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
