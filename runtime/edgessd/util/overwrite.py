"""What a verb writes is never what it reads: one check for every verb, before any work."""

import mmap
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.files import is_folder, status

# Beside a data set's root people keep reports; these are what a data set itself is made of.
DATA_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".xml", ".txt", ".csv", ".yaml", ".yml")


def keep_apart(outputs: Mapping[str, Path | str | None], inputs: Iterable[Path | str | None]) -> None:
    """Raise InputError where an output is one of the inputs or a file of an input folder, or two outputs are one file.

    outputs: paths by the option that names them; None and "-" are left out. inputs: files, folders, or data sets as
    text (``voc:ROOT@SPLIT``). Symbolic and hard links are followed. An engine brings its card.
    """
    read = [place for entry in inputs if entry is not None for place in _places(str(entry))]
    files = {identity: path for path in read for identity in _identities(path)}
    folders = [path.resolve() for path in read if is_folder(path)]
    written: dict[object, str] = {}
    for option, given in outputs.items():
        if given is None or str(given) == "-":
            continue
        for path in _with_card(Path(given)):
            for identity in _identities(path):
                if identity in files:
                    raise InputError(
                        f"{option} {given} is the input {files[identity]}, which would be lost",
                        fix="write to another place",
                    )
                if written.setdefault(identity, option) != option:
                    raise InputError(
                        f"{option} and {written[identity]} are one file, {given}", fix="give each a file of its own"
                    )
            if weights_of := next((file for file in read if _holds_weights_of(path, file)), None):
                raise InputError(
                    f"{option} {given} holds weights of {weights_of}, which would be lost", fix="write to another place"
                )
            if path.suffix.lower() in DATA_SUFFIXES and status(path):
                inside = next((folder for folder in folders if folder in path.resolve().parents), None)
                if inside is not None:
                    raise InputError(
                        f"{option} {given} is a file of the input folder {inside}, which would be lost",
                        fix="write to another place",
                    )


def _places(text: str) -> list[Path]:
    """Return the files and folders that an input names."""
    name, colon, rest = text.partition(":")
    place, at, part = rest.rpartition("@")
    if colon and at and name in ("voc", "coco", "yolo"):
        found = [Path(place).expanduser(), Path(part).expanduser()]
        if name == "yolo":
            found.append(found[0].parent)
        return [path for path in found if status(path)]
    return _with_card(Path(text))


def _holds_weights_of(path: Path, onnx: Path) -> bool:
    """Return whether a file that is there lies beside an ONNX file or below, and the ONNX file names it."""
    found, target = status(onnx), path.resolve()
    if onnx.suffix.lower() != ".onnx" or not found or not found.st_size or is_folder(onnx) or not status(path):
        return False
    if onnx.resolve().parent not in target.parents:
        return False
    with onnx.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(os.fsencode(target.name)) >= 0


def _with_card(path: Path) -> list[Path]:
    return [path, path.with_name(f"{path.name}.json")] if path.suffix == ".engine" else [path]


def _identities(path: Path) -> list[object]:
    """Return what a file is known by: its place with links followed, and its node where it exists."""
    try:
        identities: list[object] = [path.resolve()]
        if (found := status(path)) and not is_folder(path):
            identities.append((found.st_dev, found.st_ino))
    except (OSError, RuntimeError, ValueError):  # a circle of links, a name too long: opening it will tell
        return [path]
    return identities
