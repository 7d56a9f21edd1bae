"""Files are written whole or not at all: beside the target first, then renamed."""

import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgessd.errors import DiskFull, InputError


def readable(path: Path, what: str) -> Path:
    """Return the path of an existing, non-empty file. Raises InputError naming what it should have been."""
    if path.is_dir():
        raise InputError(f"expected {what}, but {path} is a folder", fix="give the file itself")
    if not path.exists():
        raise InputError(f"no {what} at {path}", fix="check the path")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} {path} may not be read by this user", fix="check its permissions")
    if path.stat().st_size == 0:
        raise InputError(f"{what} {path} is empty (0 bytes)", fix="copy or make it again")
    return path


def writable(path: Path) -> Path:
    """Return the path of a file that can be created there. Raises InputError before any work is done."""
    if path.is_dir():
        raise InputError(f"cannot write {path}", fix="it is a folder; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}", fix=f"the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}", fix=f"the folder {path.parent} is read-only for this user")
    return path


def make_folder(path: Path) -> Path:
    """Return a folder that is there now. Raises InputError where it cannot be made or written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}", fix="choose another place") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"the folder {path} is read-only for this user", fix="choose another place")
    return path


def free_bytes(path: Path) -> int | None:
    """Return the free bytes of the disk that a file or folder lies on or would, None where nobody can tell."""
    for place in (path, *path.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def with_room(path: Path, least_bytes: int, what: str) -> Path:
    """Return a path whose disk has room. Raises InputError where less than ``least_bytes`` is free for ``what``."""
    free = free_bytes(path)
    if free is not None and free < least_bytes:
        command = shlex.join(["df", "-h", str(_nearest(path))])
        raise DiskFull(
            f"the disk of {path} is full: {what} needs {_megabytes(least_bytes)}, {_megabytes(free)} is free",
            fix=f"see `{command}`, delete there or choose another place",
            command=command,
        )
    return path


def _nearest(path: Path) -> Path:
    return next((place for place in (path, *path.absolute().parents) if place.exists()), Path("/"))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an unfinished file's path beside ``path``; rename it into place when all went well.

    The unfinished file keeps the suffix, since writers choose a format by it. On an error it is removed.
    """
    writable(path)
    unfinished = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.unfinished{path.suffix}")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}", fix="free space or choose another place"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
