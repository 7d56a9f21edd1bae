"""YOLO's labels as tools write them without a data.yaml: CVAT's obj.data, or a list of names beside the images."""

from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd_training.data.source import bounded_bytes, leaves_its_folder
from edgessd_training.data.text import decode_text

NAME_FILES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels", "predefined_classes.txt")
OBJ_DATA = "obj.data"
KEYS = {"train": "train", "valid": "val", "test": "test"}
_MOST_BYTES = 1 << 20


def describes(path: Path) -> bool:
    """Return whether a file is one of those that ``description`` reads."""
    return path.name in NAME_FILES or path.suffix == ".data"


def description(path: Path) -> dict[str, Any]:
    """Return what a data.yaml would say: ``names`` and the splits. Raises DataError.

    Of a list of names the split ``all`` is the folder images beside it, or its own folder.
    """
    if path.suffix == ".data":
        return _obj_data(path)
    places = ("images", "../images") if path.parent.name == "labels" else ("images",)  # LabelImg: labels/classes.txt
    found = (place for place in places if (path.parent / place).is_dir())
    return {"names": read_names(path), "all": next(found, ".")}


def read_names(path: Path) -> list[str]:
    """Return the lines of a list of names. Raises DataError."""
    lines = decode_text(bounded_bytes(path, _MOST_BYTES), str(path)).splitlines()
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"{path} names no class", fix="write one name a line, in the order of the class numbers")
    return names


def _obj_data(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in decode_text(bounded_bytes(path, _MOST_BYTES), str(path)).splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            continue
        if key == "names":
            place = _place(path, value)
            if place is None:
                raise DataError(f"{path} says names = {value[:80]}, which is not there", fix="put the file beside it")
            found["names"] = read_names(place)
        elif key in KEYS and (place := _place(path, value)):
            found[KEYS[key]] = place.relative_to(path.parent).as_posix()
    if "names" not in found:
        raise DataError(f"{path} has no line names = ...", fix="export it from CVAT again, as YOLO 1.1")
    return found


def _place(path: Path, value: str) -> Path | None:
    """Return a file that obj.data names; CVAT writes data/train.txt for the train.txt beside it."""
    if leaves_its_folder(value):
        return None
    places = (path.parent / value, path.parent / value.removeprefix("data/"))
    return next((place for place in places if place.is_file()), None)
