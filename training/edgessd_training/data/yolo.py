"""YOLO: a data.yaml naming folders or lists of images; one text file of labels an image, in fractions of it.

A label lies beside its image or, where the path holds a folder ``images``, in the folder ``labels`` instead.
"""

import math
from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd.util.extras import need
from edgessd_training.data.faults import (
    BROKEN_ANNOTATION,
    BROKEN_IMAGE,
    LISTED_TWICE,
    MISSING_IMAGE,
    UNSAFE_PATH,
    Fault,
)
from edgessd_training.data.images import SUFFIXES, image_size_hw
from edgessd_training.data.raw import RawBox, RawImage, RawSet, number, quoted
from edgessd_training.data.source import Source, bounded_bytes

MAX_YAML_BYTES = 1 << 20
MAX_TEXT_BYTES = 256 << 20


def parse_yolo(source: Source) -> RawSet:
    """Return one split as its files say; sizes come from the images' headers, since the labels hold none.

    Raises DataError when the YAML file or the split cannot be used.
    """
    content = read_yaml(source.place)
    labels = label_names(content, source.place)
    root = root_of(content, source.place)
    parsed = RawSet(labels)
    seen = set()
    for path in _image_paths(content, source, root, parsed.faults):
        if path in seen:
            parsed.faults.append(Fault(LISTED_TWICE, str(path), f"the split {source.part} lists it more than once"))
            continue
        seen.add(path)
        parsed.images.append(_image(path, root, labels, parsed.faults, len(parsed.images)))
    return parsed


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a data.yaml. Raises DataError when it is not a mapping."""
    yaml = need("yaml", "eval")
    try:
        content = yaml.safe_load(bounded_bytes(path, MAX_YAML_BYTES).decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is not readable YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise DataError(f"a YOLO data file holds names and splits, {path} holds {type(content).__name__}")
    return content


def label_names(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    """Return ``names`` in the order of the class numbers. Raises DataError when they are missing or leave gaps."""
    names = content.get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"names must be numbered 0 to {len(names) - 1}, {path} has {sorted(map(str, names))}")
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"a YOLO data file needs `names`, a list or a numbered mapping, {path} has {names!r}")
    labels = tuple(str(name) for name in names)
    if len(set(labels)) != len(labels):
        raise DataError(f"names must differ, {path} repeats one of {', '.join(labels)}")
    return labels


def root_of(content: dict[str, Any], path: Path) -> Path:
    """Return the folder that the splits are relative to: ``path`` of the YAML file, or the file's own folder."""
    base = path.parent.resolve()
    given = content.get("path")
    if given is None:
        return base
    root = (base / str(given)).resolve()
    return root if root.is_dir() else base


def label_path(image: Path, root: Path) -> Path:
    """Return where an image's labels lie: below the root the last folder ``images`` is ``labels``, else beside it."""
    return root / _swapped(image.relative_to(root)) if image.is_relative_to(root) else _swapped(image)


def _found_labels(image: Path, root: Path) -> Path | None:
    """Return an image's label file; where ``path`` itself names the folder images, that is the one to swap."""
    place = label_path(image, root)
    for candidate in (place, _swapped(image)) if place == image.with_suffix(".txt") else (place,):
        if candidate != image.with_suffix(".txt") and candidate.is_file():
            return candidate
    return place if place.is_file() else None


def _swapped(image: Path) -> Path:
    *folders, name = image.parts
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders, name).with_suffix(".txt")


def _image_paths(content: dict[str, Any], source: Source, root: Path, faults: list[Fault]) -> list[Path]:
    splits = sorted(key for key in ("train", "val", "test", "minival") if content.get(key))
    given = content.get(source.part)
    if not given or source.part in ("names", "nc", "path"):
        raise DataError(
            f"no split {source.part!r} in {source.place}", fix=f"choose {', '.join(splits) or 'another file'}"
        )
    paths: list[Path] = []
    for entry in given if isinstance(given, list) else [given]:
        place = _place(str(entry), root)
        if place.is_dir():
            paths += sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        elif place.is_file():
            paths += _listed(place, root, faults)
        else:
            raise DataError(f"the split {source.part!r} of {source.place} is at {place}, which does not exist")
    return paths


def _place(entry: str, root: Path) -> Path:
    place = (root / entry).resolve()
    # Roboflow writes ../train/images into a file that lies beside the folder train.
    if not place.exists() and entry.startswith("../") and (root / entry[3:]).exists():
        place = (root / entry[3:]).resolve()
    return place


def _listed(listing: Path, root: Path, faults: list[Fault]) -> list[Path]:
    """Return the images of a list file; its lines are relative to the root, or with ./ to the list's folder."""
    paths = []
    text = bounded_bytes(listing, MAX_TEXT_BYTES).decode("utf-8-sig", "replace")
    for line in filter(None, (line.strip() for line in text.splitlines())):
        base = listing.parent if line.startswith("./") else root
        path = (base / line).resolve()
        if path.is_relative_to(root) or path.is_relative_to(listing.parent.resolve()):
            paths.append(path)
        else:
            faults.append(Fault(UNSAFE_PATH, line, f"a line of {listing.name} must not leave {root}"))
    return paths


def _image(path: Path, root: Path, labels: tuple[str, ...], faults: list[Fault], index: int) -> RawImage:
    file_name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    annotation = _found_labels(path, root)
    try:
        height, width = image_size_hw(path)
    except DataError as error:
        kind = BROKEN_IMAGE if path.is_file() else MISSING_IMAGE
        faults.append(Fault(kind, file_name, str(error), image=index))
        return RawImage(file_name, file_name, path, None, None, (), annotation)
    boxes = []
    if annotation:
        lines = bounded_bytes(annotation, MAX_TEXT_BYTES).decode("utf-8", "replace").splitlines()
        for row, line in enumerate(lines):
            if not line.strip():
                continue
            box = _box(line.split(), row, labels, height, width)
            if box is None:
                detail = f"line {row + 1} must be a class and 4 numbers, or an outline's points, got {line[:60]!r}"
                faults.append(Fault(BROKEN_ANNOTATION, str(annotation), detail, image=index))
            else:
                boxes.append(box)
    return RawImage(file_name, file_name, path, height, width, tuple(boxes), annotation)


def _box(fields: list[str], row: int, labels: tuple[str, ...], height: int, width: int) -> RawBox | None:
    """Return the box of a line: class, centre, size; or class and an outline of 3 points or more."""
    values = [number(field) for field in fields[1:]]
    kind = number(fields[0])
    if len(values) == 4:
        x, y, w, h = values
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    elif len(values) >= 6 and len(values) % 2 == 0 and not any(math.isnan(value) for value in values):
        left, right, top, bottom = min(values[::2]), max(values[::2]), min(values[1::2]), max(values[1::2])
    else:
        return None
    known = 0 <= kind < len(labels) and kind == int(kind)
    return RawBox(
        label=labels[int(kind)] if known else quoted(f"class {fields[0]}"),
        box_xyxy=(left * width, top * height, right * width, bottom * height),
        drawn_wh=((right - left) * width, (bottom - top) * height),
        text=quoted(" ".join(fields[:5])),
        index=row,
    )
