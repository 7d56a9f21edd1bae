"""Where a data set lies: the text ``voc:ROOT@SPLIT``, ``coco:ANNOTATIONS.json@IMAGES`` or ``yolo:DATA.yaml@SPLIT``."""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from edgessd.errors import DataError

LONGEST_NAME, LONGEST_PATH = 255, 3000  # bytes of one part; characters of all
FORMATS = {"voc": "voc:ROOT@SPLIT", "coco": "coco:ANNOTATIONS.json@IMAGES", "yolo": "yolo:DATA.yaml@SPLIT"}


@dataclass(frozen=True)
class Source:
    """format: one of FORMATS. place: VOC's root, or the JSON or YAML file. part: a split's name, or COCO's images."""

    format: str
    place: Path
    part: str

    def __str__(self) -> str:
        return f"{self.format}:{self.place}@{self.part}"


def parse_source(text: str) -> Source:
    """Return the source that a text names. Raises DataError for any other text or a place that does not exist."""
    name, _, rest = text.partition(":")
    place, _, part = rest.rpartition("@")
    if name not in FORMATS or not place or not part:
        raise DataError(f"data is given as {', '.join(FORMATS.values())}, got {text!r}")
    path = Path(place).expanduser()
    if name == "voc" and not path.is_dir():
        raise DataError(f"no VOC folder at {path}", fix="give the one that holds Annotations, ImageSets and JPEGImages")
    if name != "voc" and not path.is_file():
        raise DataError(f"no annotation file at {path}", fix=f"data is given as {FORMATS[name]}")
    if name == "coco" and not Path(part).expanduser().is_dir():
        raise DataError(f"no folder of images at {part}", fix=f"data is given as {FORMATS['coco']}")
    return Source(name, path, part)


def leaves_its_folder(name: str) -> bool:
    """Return whether a file name from an annotation is absolute, climbs out with "..", or is none on any system."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or name[1:2] == ":" or not is_name(name)


def is_name(name: str) -> bool:
    """Return whether a disk can hold a file of that name: no zero byte, no half surrogate, no part too long."""
    try:
        longest = max((len(os.fsencode(part)) for part in PurePosixPath(name.replace("\\", "/")).parts), default=0)
    except UnicodeEncodeError:
        return False
    return "\0" not in name and longest <= LONGEST_NAME and len(name) <= LONGEST_PATH


def local_name(name: str, folder: Path) -> str:
    """Return a file name from an annotation as this disk spells it, where that names the file.

    Windows separates with backslashes; macOS writes an accent as a character of its own (NFD).
    """
    if not is_name(name) or (name.isascii() and "\\" not in name):
        return name
    found = (spelling for spelling in (name, *spellings(name.replace("\\", "/"))) if (folder / spelling).exists())
    return next(found, name)


def spellings(name: str) -> tuple[str, ...]:
    """Return a name as it stands and in the other normal forms of Unicode, which look the same."""
    if name.isascii():
        return (name,)
    return tuple(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def bounded_bytes(path: Path, limit: int) -> bytes:
    """Return a file's content. Raises DataError when it is larger than any sound one, or unreadable."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise DataError(
                f"annotations of at most {limit:,} bytes are read, {path} has {size:,}", fix="is it the right file?"
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
