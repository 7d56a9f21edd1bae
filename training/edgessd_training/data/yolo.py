"""YOLO: a data.yaml naming folders or lists of images; one text file of labels an image, in fractions of it.

A label lies beside its image or, where the path holds a folder ``images``, in the folder ``labels`` instead.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd.util.digits import whole_number
from edgessd.util.extras import need
from edgessd_training.data.darknet import NAME_FILES, describes, description
from edgessd_training.data.faults import (
    BROKEN_ANNOTATION,
    BROKEN_IMAGE,
    LISTED_TWICE,
    MISSING_IMAGE,
    NOT_READ,
    SHARED_LABELS,
    UNSAFE_PATH,
    Fault,
)
from edgessd_training.data.images import SUFFIXES, image_size_hw
from edgessd_training.data.raw import RawBox, RawImage, RawSet, number, quoted
from edgessd_training.data.source import Source, bounded_bytes, is_name, local_name, spellings
from edgessd_training.data.text import decode_text

MAX_YAML_BYTES = 1 << 20
_NESTED = re.compile(r"[\[{](?:[^\[\]{}]*[\[{]){64}")
_NOTHING = ("", "~", "null", "Null", "NULL")
MAX_TEXT_BYTES = 256 << 20
_MOST_POINTS = 10_000
_LABELS_OF = {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}


def parse_yolo(source: Source) -> RawSet:
    """Return one split as its files say; sizes come from the images' headers, since the labels hold none.

    Raises DataError when the YAML file or the split cannot be used.
    """
    content = read_yaml(source.place)
    labels = label_names(content, source.place)
    root = root_of(content, source.place)
    parsed = RawSet(labels)
    points = key_point_sizes(content, source.place)
    seen = set()
    for path in _image_paths(content, source, root, parsed.faults):
        if path in seen:
            parsed.faults.append(Fault(LISTED_TWICE, str(path), f"the split {source.part} lists it more than once"))
            continue
        seen.add(path)
        parsed.images.append(_image(path, root, labels, parsed.faults, len(parsed.images), points))
    parsed.faults += _labels_without_images(seen, root)
    parsed.faults += _shared_labels(parsed.images)
    return parsed


def _shared_labels(images: Sequence[RawImage]) -> Iterator[Fault]:
    """Yield the images whose label file is another's too: a.jpg and a.png, of which it may fit only one."""
    owners: dict[Path, str] = {}
    for index, image in enumerate(images):
        owner = owners.setdefault(image.annotation, image.file_name) if image.annotation else image.file_name
        if owner != image.file_name:
            yield Fault(SHARED_LABELS, image.file_name, f"{image.annotation} is also that of {owner}", image=index)


def _labels_without_images(images: Set[Path], root: Path) -> Iterator[Fault]:
    """Yield the label files in the images' folders of labels that no image has."""
    with_images = {place for image in images if (place := _found_labels(image, root))}
    folders = {label_path(image, root).parent for image in images}
    stems = {image.with_suffix("") for image in images}
    for folder in sorted(folder for folder in folders if folder.is_dir()):
        for path in sorted(folder.iterdir()):
            beside = path.with_suffix("") in stems  # another spelling of an image's own
            if path.suffix.lower() == ".txt" and not path.name.startswith(".") and path not in with_images:
                if path.name in NAME_FILES or beside or path.parent == root:
                    continue
                yield Fault(NOT_READ, str(path), "labels without an image of this split")


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a data.yaml, every scalar as its text: YAML reads ``off`` as False, 1.0 as a number.

    What stands in for one, such as CVAT's obj.data, reads the same. Raises DataError when it is not a mapping.
    """
    if describes(path):
        return description(path)
    yaml = need("yaml", "eval")
    text = decode_text(bounded_bytes(path, MAX_YAML_BYTES), str(path))
    if _NESTED.search(text):
        raise DataError(f"{path} is nested too deeply for a data file", fix="is it the right file?")
    try:
        loader = yaml.BaseLoader(text)
        node = loader.get_single_node()
        content = loader.construct_document(node) if node else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path} is not readable YAML ({quoted(' '.join(str(error).split()))})") from error
    if not isinstance(content, dict):
        raise DataError(f"a YOLO data file holds names and splits, {path} holds {type(content).__name__}")
    for mapping in (node, *(value for key, value in node.value if key.value == "names")):
        if repeated := _repeated_key(mapping):
            raise DataError(f"{path} says {repeated} twice, of which one would be lost", fix="correct it")
    return content


def _repeated_key(node: Any) -> str | None:
    """Return the first key that a YAML mapping has twice: loaders take the last in silence."""
    if node.id != "mapping":
        return None
    keys = Counter(str(key.value) for key, _ in node.value)
    return next((quoted(key) for key, count in keys.items() if count > 1), None)


def label_names(content: dict[str, Any], path: Path) -> tuple[str, ...]:
    """Return ``names`` in the order of the class numbers. Raises DataError when they are missing or leave gaps."""
    names = content.get("names")
    if isinstance(names, dict):
        numbered = {str(index): index for index in range(len(names))}
        if set(names) != set(numbered):
            raise DataError(
                f"names must be numbered 0 to {len(names) - 1}, {path} has {quoted(', '.join(map(str, names)))}",
                fix="write each as NUMBER: TEXT",
            )
        names = [names[key] for key in numbered]
    # Never shown: a few nested aliases write out as gigabytes.
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise DataError(f"a YOLO data file needs `names`, a list or a numbered mapping of texts, {path} has another")
    names = [name.strip() for name in names]
    count = content.get("nc")
    if isinstance(count, str) and whole_number(count) not in (None, len(names)):
        raise DataError(
            f"{path} says nc: {quoted(count)} and has {len(names)} names", fix="correct the one or the other"
        )
    if len(set(names)) != len(names):
        repeated = next(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"names must differ, {path} repeats {quoted(repeated)}")
    return tuple(names)


def key_point_sizes(content: dict[str, Any], path: Path) -> tuple[int, int] | None:
    """Return how many key points a line of labels has and the numbers of each; None for boxes and outlines."""
    given = content.get("kpt_shape")
    if given is None:
        return None
    sizes = [whole_number(text) or 0 for text in given if isinstance(text, str)] if isinstance(given, list) else []
    if len(sizes) != 2 or not 0 < sizes[0] <= _MOST_POINTS or sizes[1] not in (2, 3):
        raise DataError(f"kpt_shape of a YOLO pose file is [points, 2 or 3], {path} has another", fix="correct it")
    return sizes[0], sizes[1]


def root_of(content: dict[str, Any], path: Path) -> Path:
    """Return the folder that the splits are relative to: ``path`` of the YAML file, or the file's own folder."""
    base = path.parent.resolve()
    given = content.get("path")
    if not isinstance(given, str) or given in _NOTHING or not is_name(given):
        return base
    root = (base / str(given)).resolve()
    return root if root.is_dir() else base


def label_path(image: Path, root: Path) -> Path:
    """Return where an image's labels lie: below the root the last folder ``images`` is ``labels``, else beside it."""
    return root / _swapped(image.relative_to(root)) if image.is_relative_to(root) else _swapped(image)


def _found_labels(image: Path, root: Path) -> Path | None:
    """Return an image's label file; where ``path`` itself names the folder images, that is the one to swap."""
    if found := _found_text(image, root):
        return found
    place = label_path(image, root)
    others = [place.with_suffix(".TXT"), image.with_suffix(".txt"), image.with_suffix(".TXT")]
    others += [place.with_name(name) for name in spellings(place.name)]
    return next((path for path in others if path != image and path.is_file()), None)


def _found_text(image: Path, root: Path) -> Path | None:
    place = label_path(image, root)
    for candidate in (place, _swapped(image)) if place == image.with_suffix(".txt") else (place,):
        if candidate != image.with_suffix(".txt") and candidate.is_file():
            return candidate
    return place if place.is_file() else None


def _swapped(image: Path) -> Path:
    *folders, name = image.parts
    for level in reversed(range(len(folders))):
        if folders[level] in _LABELS_OF:
            folders[level] = _LABELS_OF[folders[level]]
            break
    return Path(*folders, name).with_suffix(".txt")


def _image_paths(content: dict[str, Any], source: Source, root: Path, faults: list[Fault]) -> list[Path]:
    splits = sorted(key for key in ("train", "val", "test", "minival", "all") if content.get(key))
    given = content.get(source.part)
    if not given or source.part in ("names", "nc", "path", "kpt_shape"):
        raise DataError(
            f"no split {source.part!r} in {source.place}", fix=f"choose {', '.join(splits) or 'another file'}"
        )
    paths: list[Path] = []
    for entry in given if isinstance(given, list) else [given]:
        if not isinstance(entry, str) or not is_name(entry):
            raise DataError(f"the split {source.part!r} of {source.place} is a path or a list of paths, it has another")
        place = _place(entry, root)
        if place.is_dir():
            seen = sorted(path for path in place.rglob("*") if not _hidden(path.relative_to(place)) and path.is_file())
            images = [path for path in seen if path.suffix.lower() in SUFFIXES]
            paths += images
            for path in seen:
                if path.suffix.lower() not in SUFFIXES and _has_labels(path, root):
                    detail = f"it has labels, and the suffix {path.suffix} is none of {', '.join(SUFFIXES)}"
                    faults.append(Fault(NOT_READ, str(path), detail))
        elif place.suffix.lower() in SUFFIXES:
            raise DataError(
                f"the split {source.part!r} of {source.place} names the image {quoted(entry)}",
                fix="give a folder of images, or a text file that lists them",
            )
        elif place.is_file():
            paths += _listed(place, root, faults)
        else:
            raise DataError(f"the split {source.part!r} of {source.place} is at {place}, which does not exist")
    return paths


def _hidden(path: Path) -> bool:
    """Return whether a file or a folder over it is hidden: what macOS (._a.jpg) and notebooks leave behind."""
    return any(part.startswith(".") for part in path.parts)


def _has_labels(path: Path, root: Path) -> bool:
    place = _found_labels(path, root)
    return place is not None and place != path


def _place(entry: str, root: Path) -> Path:
    place = _normal(root / entry)
    # Roboflow writes ../train/images into a file that lies beside the folder train.
    if not place.exists() and entry.startswith("../") and (root / entry[3:]).exists():
        place = _normal(root / entry[3:])
    return place


def _normal(path: Path) -> Path:
    """Return a path without "..", links in it kept: the labels lie beside the link to a folder of images."""
    place = Path(os.path.normpath(path))
    return place if place.exists() or not path.exists() else path.resolve()  # ".." behind a link is its target's


def _listed(listing: Path, root: Path, faults: list[Fault]) -> list[Path]:
    """Return the images of a list file; its lines are relative to the root, or with ./ to the list's folder."""
    paths = []
    folders = {root, listing.parent, listing.parent.resolve()}
    text = decode_text(bounded_bytes(listing, MAX_TEXT_BYTES), str(listing))
    for line in filter(None, (line.strip() for line in text.splitlines())):
        base = listing.parent if line.startswith(("./", ".\\")) else root
        line = local_name(line, base)
        if line.startswith("data/") and is_name(line) and not (base / line).exists():
            line = line.removeprefix("data/")  # CVAT's lists name a folder that its zip does not have
        path = _normal(base / line) if is_name(line) else Path("/")
        if folders.isdisjoint(path.parents) and path.exists():
            path = path.resolve()  # named through a link to the root
        if not folders.isdisjoint(path.parents):
            paths.append(path)
        else:
            faults.append(Fault(UNSAFE_PATH, quoted(line), f"a line of {listing.name} names a file below {root}"))
    return paths


def _image(
    path: Path, root: Path, labels: tuple[str, ...], faults: list[Fault], index: int, points: tuple[int, int] | None
) -> RawImage:
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
        try:
            text = decode_text(bounded_bytes(annotation, MAX_TEXT_BYTES), annotation.name)
        except DataError as error:
            faults.append(Fault(BROKEN_ANNOTATION, str(annotation), str(error), image=index))
            text = ""
        for row, line in enumerate(text.splitlines()):
            if not line.strip():
                continue
            box = _box(line.split(), row, labels, height, width, points)
            if box is None:
                detail = f"line {row + 1} must be {_wanted(points)}, got {line[:60]!r}"
                faults.append(Fault(BROKEN_ANNOTATION, str(annotation), detail, image=index))
            else:
                boxes.append(box)
    return RawImage(file_name, file_name, path, height, width, tuple(boxes), annotation)


def _wanted(points: tuple[int, int] | None) -> str:
    if points is not None:
        return f"a class, 4 numbers and {points[0]} keypoints of {points[1]} (kpt_shape)"
    return "a class and 4 numbers, or an outline's points; keypoints need kpt_shape in the YAML file"


def _like_key_points(values: list[float]) -> bool:
    """Return whether every third number behind the first four is a flag of visibility: 0, 1 or 2."""
    return len(values) > 9 and (len(values) - 4) % 3 == 0 and all(value in (0, 1, 2) for value in values[6::3])


def _box(
    fields: list[str], row: int, labels: tuple[str, ...], height: int, width: int, points: tuple[int, int] | None
) -> RawBox | None:
    """Return the box of a line: class, centre, size and perhaps key points; or class and an outline of 3 points."""
    values = [number(field) for field in fields[1:]]
    kind = number(fields[0])
    if points is not None:
        if len(values) not in (4, 4 + points[0] * points[1]):
            return None
        values = values[:4]
    if len(values) == 4:
        x, y, w, h = values
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    elif len(values) >= 6 and len(values) % 2 == 0 and all(-1 <= value <= 2 for value in values):
        if _like_key_points(values):
            return None
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
