"""Where an archive's files lie: local paths, or URLs of fsspec's such as s3://bucket/folder."""

import codecs
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgessd.archive.job import RESULTS, Item
from edgessd.errors import EdgessdError, InputError
from edgessd.sources import IMAGE_SUFFIXES
from edgessd.sources.address import redact_url
from edgessd.util.extras import need
from edgessd.util.files import abandoned, is_folder, make_folder, reason, replacing, status
from edgessd.util.outside_text import outside_text

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"),
    *(".y4m", ".mjpg", ".mjpeg", ".3gp", ".ogv", ".h264", ".hevc"),
)
_BLOCK = 1 << 20
_LONGEST_NAME = 100


def is_remote(place: str) -> bool:
    """Return whether a place is a URL of fsspec's."""
    return "://" in place


def _remote(place: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path there. Raises InputError for a scheme nobody knows."""
    fsspec = need("fsspec", "archive")
    try:
        return fsspec.core.url_to_fs(place)  # type: ignore[no-any-return]
    except (ValueError, ImportError, OSError) as error:
        scheme = outside_text(place.partition("://")[0])
        why = outside_text(str(error).replace(place, redact_url(place)))
        raise InputError(f"cannot open a place of {scheme}://: {why}", fix="see fsspec's docs") from error


@contextmanager
def _remote_errors(place: str) -> Iterator[None]:
    """Name what a remote file system raises; its own text may hold the URL with its password or token."""
    try:
        yield
    except EdgessdError:
        raise
    except Exception as error:  # each file system has errors of its own
        why = f"{redact_url(place)} does not answer as it should ({type(error).__name__})"
        raise InputError(why, fix="check the URL and its credentials") from error


def items_in(sources: list[str], out: str = "") -> tuple[list[Item], list[str]]:
    """Return the videos and images of files, folders and lists, by name; and the other files' names, not read.

    A folder is searched whole, without hidden files; ``@LIST`` names a text file with a source a line. A name below
    a folder begins after it. out: where results go, which are no input. Raises InputError for a source that is not
    there.
    """
    found: dict[tuple[str, str], Item] = {}
    others: list[str] = []
    for source in _with_lists(sources):
        for path, name, stamp, given in _files(source, out):
            if given or name.lower().endswith((*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)):
                found[name, path] = Item(path, name, stamp)
            else:
                others.append(name)
    return [found[key] for key in sorted(found)], sorted(others)


def _with_lists(sources: list[str]) -> Iterator[str]:
    for source in sources:
        if not source.startswith("@"):
            yield source
            continue
        try:
            content = Path(source[1:]).read_bytes()
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read the list {source[1:]}", fix="check the path") from error
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"the list {source[1:]} is UTF-16", fix="save it as UTF-8")
        lines = content.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape").split("\n")
        yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _files(source: str, out: str) -> Iterator[tuple[str, str, str, bool]]:
    """Yield path, name, stamp of the files of a source, and whether it was named itself."""
    if is_remote(source):
        system, root = _remote(source)
        with _remote_errors(source):
            if not system.exists(root):
                raise InputError(f"nothing at {outside_text(redact_url(source))}", fix="check the URL")
            single = system.isfile(root)
            there = {root: system.info(root)} if single else system.find(root, detail=True)
        for path, facts in sorted(there.items()):
            name = Path(path.partition("?")[0]).name if single else os.path.relpath(path, root)
            if single or not _is_hidden(name):
                yield system.unstrip_protocol(path), name, _remote_stamp(facts), single
        return
    top = Path(source)
    found = status(top)
    if found is None:
        raise InputError(f"nothing at {outside_text(source)}", fix="check the path")
    if not top.is_dir():
        if not top.is_file():
            raise InputError(f"{outside_text(source)} is no file", fix="an archive is of files: record a camera first")
        yield str(top), top.name, _stamp(found), True
        return
    for folder, folders, names in os.walk(top):
        results = Path(out, RESULTS).resolve()
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and Path(folder, name).resolve() != results
        )
        for name in sorted(names):
            path = Path(folder, name)
            entry = status(path)
            if not name.startswith(".") and entry is not None and path.is_file():
                yield str(path), path.relative_to(top).as_posix(), _stamp(entry), False


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size}-{found.st_mtime_ns}"


def _remote_stamp(facts: dict[str, Any]) -> str:
    changed = next((facts[key] for key in ("ETag", "etag", "LastModified", "mtime", "created") if key in facts), "")
    return f"{facts.get('size')}-{changed}"


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Yield a file's local path; a remote one is fetched into a temporary folder."""
    if not is_remote(path):
        yield Path(path)
        return
    system, remote = _remote(path)
    with tempfile.TemporaryDirectory(prefix="edgessd-") as folder:
        local = Path(folder, Path(remote.partition("?")[0]).name[-_LONGEST_NAME:])
        try:
            with _remote_errors(path):
                system.get_file(remote, str(local))
        except InputError as error:
            raise OSError(error.cause) from error  # it is this file's fault
        yield local


def content_digest(path: Path) -> str:
    """Return the first 16 hexadecimal digits of a file's BLAKE2b."""
    digest = hashlib.blake2b(digest_size=8)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Store:
    """The folder of results, local or remote."""

    def __init__(self, out: str) -> None:
        """Raises InputError for a place that cannot be written."""
        self.out = out.rstrip("/") or "/"
        self._system: Any = None
        self._root = ""
        if is_remote(out):
            self._system, self._root = _remote(self.out)
        else:
            make_folder(Path(self.out))

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        if self._system is None:
            return status(Path(self.out, name)) is not None
        return bool(self._system.exists(f"{self._root}/{name}"))

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a local path; what is written there becomes the file when all went well. Raises InputError."""
        if self._system is None:
            target = Path(self.out, name)
            make_folder(target.parent)
            with replacing(target) as unfinished:
                yield unfinished
            return
        with tempfile.TemporaryDirectory(prefix="edgessd-") as folder:
            local = Path(folder, Path(name).name)
            try:
                yield local
                self._system.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
                # A transaction puts a file in place whole or not at all, by the means of each file system.
                with (
                    local.open("rb") as written,
                    self._system.transaction,
                    self._system.open(f"{self._root}/{name}", "wb") as file,
                ):
                    shutil.copyfileobj(written, file)
            except OSError as error:
                raise InputError(
                    f"cannot write {name}: {outside_text(reason(error))}", fix="check the place"
                ) from error

    def sweep(self, names: set[str]) -> None:
        """Remove what killed workers left unfinished in the folders of these files."""
        if self._system is None:
            for folder in {Path(self.out, name).parent for name in names}:
                for path in abandoned(folder) if is_folder(folder) else ():
                    path.unlink(missing_ok=True)

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Yield the local path of a file that is there."""
        with local_copy(f"{self.out}/{name}") as path:
            yield path

    def read_text(self, name: str) -> str | None:
        """Return a text file's content, None where there is none."""
        if not self.exists(name):
            return None
        with self.reading(name) as path:
            return path.read_text(encoding="utf-8", errors="surrogateescape")

    def write_text(self, name: str, text: str) -> None:
        """Write a whole text file or none. Raises InputError."""
        with self.writing(name) as path:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
