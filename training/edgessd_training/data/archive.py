"""A zip of labelled images, unpacked with bounds: nothing outside the folder, no link, no bomb."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from edgessd.errors import DataError
from edgessd.util.files import with_room
from edgessd_training.data.source import leaves_its_folder

MOST_FILES, MOST_BYTES = 2_000_000, 200 << 30
MOST_GROWTH = 200  # of text; images hardly shrink at all
SLACK = 64 << 20
_ENCRYPTED = 1  # bit of the general purpose flags


def unpack(archive: Path, folder: Path) -> Path:
    """Return a folder with the files of a zip, unpacked there unless it holds them already.

    Raises DataError for what is no zip, and for one with links, names that leave the folder, or more content than
    its size lets expect.
    """
    done = folder / ".unpacked"
    mark = f"{archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if done.is_file() and done.read_text(encoding="utf-8") == mark:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                entry.filename = entry.filename.replace("\\", "/")  # as some programs of Windows write it
            entries = [entry for entry in content.infolist() if not _junk(entry.filename)]
            _refuse(archive, entries)
            with_room(folder, sum(entry.file_size for entry in entries), f"unpacking {archive.name}")
            folder.mkdir(parents=True)
            for entry in entries:
                content.extract(entry, folder)  # never more bytes than the entry says: a false size is BadZipFile
        done.write_text(mark, encoding="utf-8")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, UnicodeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(f"{archive} is no whole zip ({error})", fix="copy or export it again") from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DataError(f"cannot unpack {archive}: {error.strerror or error}", fix="unpack it yourself") from error
    return folder


def _junk(name: str) -> bool:
    """Return whether an entry is what macOS adds."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or (bool(parts) and parts[-1].startswith("._"))


def _refuse(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_FILES or total > MOST_BYTES:
        raise DataError(f"{archive} holds {len(entries):,} files of {total:,} bytes", fix="unpack it yourself")
    if total > archive.stat().st_size * MOST_GROWTH + SLACK:
        raise DataError(f"{archive} unpacks to {total:,} bytes, too much for its size", fix="is it the right file?")
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise DataError(f"{archive} is encrypted", fix="unpack it yourself and give the folder")
    for entry in entries:
        if leaves_its_folder(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"{archive} holds {entry.filename[:80]!r}, which may leave its folder", fix="pack it anew")
