"""A tree of small text files such as /sys: what is absent is None, what may not be read is remembered."""

import os
from collections.abc import Iterator
from pathlib import Path

_MOST_BYTES = 1 << 16


class Tree:
    """The files under a root, ``/`` on a board and a recorded one in tests. ``denied``: what this user may not read."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self.denied: set[str] = set()

    def text(self, path: str) -> str | None:
        """Return a file's text without the white space and zero bytes around it; None where it gives none.

        A sensor of a part that is switched off answers EAGAIN, which Python's own files turn into a TypeError.
        """
        try:
            descriptor = os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            self.denied.add(f"/{path}")
            return None
        except OSError:
            return None
        try:
            return os.read(descriptor, _MOST_BYTES).decode(errors="replace").strip(" \t\r\n\0") or None
        except PermissionError:
            self.denied.add(f"/{path}")
            return None
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def number(self, path: str) -> int | None:
        """Return a file's whole number, None where it holds none."""
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def matching(self, pattern: str) -> Iterator[str]:
        """Yield the paths that match, by their names with numbers in order (hwmon2 before hwmon10)."""
        found = [path.relative_to(self._root).as_posix() for path in self._root.glob(pattern)]
        yield from sorted(found, key=lambda path: (len(path), path))

    def exists(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        try:
            return (self._root / path).exists()
        except PermissionError:
            self.denied.add(f"/{path}")
            return False
