"""A text file that grows by lines, starts anew when it is long, and follows its path."""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.files import writable


class LineFile:
    """Appends lines to ``path``; when it would pass ``max_bytes`` it becomes ``path.1``, and that one ``path.2``.

    Every line is written at once: a killed process loses none. A line that the disk cuts off is taken back, and one
    that a power cut left half is ended, so that the next line stands alone. When logrotate moved the file away, or
    somebody removed it, the next line begins a new one.
    """

    def __init__(
        self, path: Path, *, max_bytes: float = float("inf"), keep: int = 0, header: str = "", append: bool = True
    ) -> None:
        """keep: how many old files stay. header: the first line of every file. append: keep what is there.

        A file that begins with another line than the header becomes ``path.1``. Raises InputError.
        """
        self._path = writable(path)
        self._max_bytes = max_bytes
        self._keep = keep
        self._header = header
        self._file = -1
        self._open(0 if append else os.O_TRUNC)
        if self._header and self._regular and self._begins_otherwise():
            self.close()
            self._keep = max(self._keep, 1)
            self._rotate()
            self._open()

    def _open(self, how: int = 0) -> None:
        try:
            # Not blocking: a named pipe without a reader must be refused, not waited for.
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | how, 0o666)
            fcntl.fcntl(self._file, fcntl.F_SETFL, os.O_APPEND)
        except OSError as error:
            raise self._refused(error) from error
        state = os.fstat(self._file)
        self._identity = (state.st_dev, state.st_ino)
        self._regular = stat.S_ISREG(state.st_mode)
        self._size = state.st_size if self._regular else 0
        self._torn = self._ends_torn()
        if self._header and not self._size:
            self._append(self._header)

    def _ends_torn(self) -> bool:
        """Return whether the file ends in half a line; one that may not be read is taken for whole."""
        with suppress(OSError), self._path.open("rb") as file:
            file.seek(max(self._size - 1, 0))
            return file.read(1) not in (b"\n", b"")
        return False

    def _begins_otherwise(self) -> bool:
        with suppress(OSError), self._path.open("rb") as file:
            return file.readline(len(self._header) + 1).rstrip(b"\n") != self._header.encode()
        return False

    def write(self, line: str) -> None:
        """Append one line, without its end. Raises InputError when the disk refuses it."""
        if self._file >= 0 and self._regular and not self._in_place():
            self.close()
        if self._file < 0:
            self._open()
        if self._regular and self._size and self._size + len(line) + 1 > self._max_bytes:
            self.close()
            self._rotate()
            self._open()
        self._append(line)

    def _in_place(self) -> bool:
        try:
            state = self._path.stat()
        except OSError:
            return False
        return (state.st_dev, state.st_ino) == self._identity

    def _append(self, line: str) -> None:
        content = f"{line}\n".encode(errors="surrogateescape")
        rest = memoryview(b"\n" + content if self._torn else content)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self._torn = True
            with suppress(OSError):
                if self._regular:
                    os.ftruncate(self._file, self._size)
                    self._torn = self._ends_torn()
            raise self._refused(error) from error
        self._size += len(content) + self._torn
        self._torn = False

    def _refused(self, error: OSError) -> InputError:
        fix = "start its reader first" if error.errno == errno.ENXIO else "free space or choose another place"
        return InputError(f"cannot write {self._path}: {error.strerror}", fix=fix)

    def _rotate(self) -> None:
        old = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        if self._keep == 0:
            self._path.unlink(missing_ok=True)
            return
        for older, newer in zip(reversed(old[1:]), reversed(old[:-1]), strict=True):
            if newer.exists():
                newer.replace(older)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
