"""Files are written whole or not at all: beside the target first, then renamed."""

import fcntl
import hashlib
import os
import re
import secrets
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from edgessd.errors import DiskFull, InputError

_UNFINISHED_STEM = 200  # bytes of a name that its unfinished file keeps; a name may have 255


def status(path: Path) -> os.stat_result | None:
    """Return what the system knows of a path, None where nothing is there or no such name is possible."""
    try:
        return path.stat()
    except (OSError, ValueError):  # ValueError: a zero byte
        return None


def is_folder(path: Path) -> bool:
    """Return whether a folder is there; False too where no such name is possible (``Path.is_dir`` raises then)."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def readable(path: Path, what: str) -> Path:
    """Return the path of an existing, non-empty file. Raises InputError naming what it should have been."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no {what} at {path}", fix="check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {what} {path}: {reason(error)}", fix="check the path") from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"expected {what}, but {path} is a folder", fix="give the file itself")
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} {path} may not be read by this user", fix="check its permissions")
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        raise InputError(f"expected {what}, but {path} is a device", fix="give a file")
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        raise InputError(
            f"expected {what}, but {path} is a pipe", fix="write to a file, or to standard input and give -"
        )
    if found.st_size == 0:
        raise InputError(f"{what} {path} is empty (0 bytes)", fix="copy or make it again")
    return path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def writable(path: Path) -> Path:
    """Return the path of a file that can be created there. Raises InputError before any work is done."""
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {reason(error)}", fix="give another file name") from error
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise InputError(f"cannot write {path}", fix="it is a folder; give a file name")
    if not is_folder(path.parent):
        raise InputError(f"cannot write {path}", fix=f"the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}", fix=f"the folder {path.parent} is read-only for this user")
    return path


def reason(error: OSError | ValueError) -> str:
    """Return why the system refused, without the path that the message names anyway."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def sink_folder(path: Path) -> Path:
    """Return the path of a folder that is there or can be made by ``mkdir``. Raises InputError."""
    if is_folder(path):
        writable(path / "file")
    elif os.path.lexists(path):
        raise InputError(f"{path} is a file", fix="give a folder, or move it away")
    else:
        writable(path)
    return path


def make_folder(path: Path) -> Path:
    """Return a folder that is there now. Raises InputError where it cannot be made or written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"expected a folder, but {path} is a file", fix="choose another place") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot make the folder {path}: {reason(error)}", fix="choose another place") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"the folder {path} is read-only for this user", fix="choose another place")
    return path


def free_bytes(path: Path) -> int | None:
    """Return the free bytes of the disk that a file or folder lies on or would, None where nobody can tell."""
    try:
        return shutil.disk_usage(_nearest(path)).free
    except OSError:
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
    return next((place for place in (path, *path.absolute().parents) if status(place)), Path("/"))


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


class Unfinished:
    """A file beside its target, locked while this process lives, so that the next one can tell what was left behind.

    mark: stands in its name, ``.NAME.0a1b2c3d.MARK.SUFFIX``. The suffix stays, since writers choose a format by it.
    """

    def __init__(self, target: Path, mark: str = "unfinished") -> None:
        """Create it, and remove what killed processes left unfinished in that folder. Raises OSError."""
        _sweep(target.parent.absolute())
        self.target = target
        stem = os.fsencode(target.stem)[:_UNFINISHED_STEM].decode(errors="ignore")
        stem = "".join(filter(str.isprintable, stem))  # what OpenCV can open, wherever it lies
        self.path = target.with_name(f".{stem}.{secrets.token_hex(4)}.{mark}{target.suffix}")
        self._lock = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        _try_lock(self._lock)

    def put_in_place(self) -> None:
        """Rename it to its target. Raises OSError."""
        self.path.replace(self.target)

    def close(self) -> None:
        """Remove it, where it was not put in place."""
        self.path.unlink(missing_ok=True)
        os.close(self._lock)


def abandoned(folder: Path, mark: str = "unfinished") -> list[Path]:
    """Return the unfinished files and folders of processes that were killed."""
    pattern = re.compile(rf"\..*\.[0-9a-f]{{8}}\.{mark}(\.\w+)?")
    return [path for path in folder.iterdir() if pattern.fullmatch(path.name) and _is_free(path)]


def _is_free(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_WRONLY)
    except OSError:
        return False
    try:
        return _try_lock(file)
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody has it, or the file system knows no locks
        return False
    return True


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder, once a process."""
    with suppress(OSError):
        for path in abandoned(folder):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an unfinished file's path beside ``path``; rename it into place when all went well.

    On an error it is removed, and what a killed process left in that folder too.
    """
    writable(path)
    unfinished = None
    try:
        unfinished = Unfinished(path)
        yield unfinished.path
        unfinished.put_in_place()
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}", fix="free space or choose another place") from error
    finally:
        if unfinished is not None:
            unfinished.close()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an unfinished folder beside ``path``, which is new or empty; rename it into place when all went well.

    On an error it is removed, and what a killed process left there too.
    """
    unfinished = path.with_name(f".{path.name[: _UNFINISHED_STEM // 4]}.{secrets.token_hex(4)}.unfinished")
    lock = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent.absolute())
        unfinished.mkdir()
        lock = os.open(unfinished, os.O_RDONLY)
        _try_lock(lock)
        yield unfinished
        unfinished.rename(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot write {path}: {reason(error)}", fix="free space or choose another place") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
