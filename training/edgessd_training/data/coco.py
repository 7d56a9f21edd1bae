"""COCO: one JSON file with images, annotations and categories (cocodataset.org, "Data format")."""

import json
import math
from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd_training.data.faults import (
    BROKEN_ANNOTATION,
    ID_GAP,
    LISTED_TWICE,
    UNKNOWN_IMAGE,
    UNSAFE_PATH,
    UNUSED_LABEL,
    Fault,
)
from edgessd_training.data.raw import RawBox, RawImage, RawSet, flag, number, quoted, side, unclear, whole
from edgessd_training.data.source import Source, bounded_bytes, leaves_its_folder, local_name
from edgessd_training.data.text import decode_text

MAX_JSON_BYTES = 2 << 30
_KEYS = ("images", "annotations", "categories")


def parse_coco(source: Source) -> RawSet:
    """Return the data set as its file says. Raises DataError when the JSON is broken or no COCO annotation.

    Labels stand in the order of the category ids, whose gaps do not matter.
    """
    content = read_json(source.place)
    found: list[Fault] = []
    categories = _categories(content, source.place, found)
    labels = tuple(categories[key] for key in sorted(categories))
    parsed = RawSet(labels, faults=found)
    if gap := _gap(sorted(categories)):
        parsed.faults.append(Fault(ID_GAP, source.place.name, gap))
    boxes, known = _boxes_by_image(content["annotations"], categories, parsed.faults)
    folder = Path(source.part).expanduser()
    seen: set[int] = set()
    first: dict[str, int] = {}
    for index, entry in enumerate(content["images"]):
        where = f"{source.place.name}, image {index}"
        key = whole(entry.get("id")) if isinstance(entry, dict) else None
        if key is None or not entry.get("file_name"):
            detail = f"an image needs a whole-number id and a file_name, got {_shown(entry)}"
            parsed.faults.append(Fault(BROKEN_ANNOTATION, where, detail))
            continue
        name = local_name(str(entry["file_name"]), folder)
        if leaves_its_folder(name):
            parsed.faults.append(Fault(UNSAFE_PATH, quoted(name), "a file_name names a file in the folder of images"))
        elif key in seen:
            parsed.faults.append(Fault(LISTED_TWICE, name, f"the image id {key} is taken by another image"))
        elif name in first:
            parsed.faults.append(_second_entry(parsed.images[first[name]], first[name], key, boxes.get(key, [])))
        else:
            first[name] = len(parsed.images)
            parsed.images.append(
                RawImage(
                    str(key),
                    name,
                    folder / name,
                    side(entry.get("height")),
                    side(entry.get("width")),
                    tuple(boxes.get(key, ())),
                    source.place,
                    key,
                )
            )
        seen.add(key)
    for image_id in sorted(known - seen):
        count = len(boxes[image_id])
        detail = f"{count} annotations name the image id {image_id}, which is not listed"
        parsed.faults.append(Fault(UNKNOWN_IMAGE, source.place.name, detail))
    return parsed


def _second_entry(image: RawImage, index: int, key: int, boxes: list[RawBox]) -> Fault:
    """Return the fault of a file with a second image id; where the boxes differ, neither entry has all objects."""
    known = {(box.label, box.box_xyxy) for box in image.boxes}
    same = all((box.label, box.box_xyxy) in known for box in boxes)
    detail = f"the image ids {image.image_id} and {key} name this file{'' if same else ', with other boxes'}"
    return Fault(LISTED_TWICE, image.file_name, detail, image=None if same else index)


def read_json(path: Path) -> dict[str, Any]:
    """Return a COCO file's content; its three lists are there. Raises DataError."""
    text = decode_text(bounded_bytes(path, MAX_JSON_BYTES), str(path))
    try:
        content = json.loads(text, parse_constant=float, object_pairs_hook=_lists_once)
    except DataError as error:
        raise error.within(str(path)) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not whole JSON ({error})", fix="copy or export it again") from error
    if not isinstance(content, dict):
        raise DataError(f"COCO annotations are one JSON object, {path} holds a {type(content).__name__}")
    for key in _KEYS:
        if not isinstance(content.get(key), list):
            raise DataError(f"COCO annotations need a list {key!r}, {path} has none", fix="is it an instances file?")
    return content


def _lists_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a key that comes twice a JSON reader keeps the last value only."""
    content = dict(pairs)
    if len(content) < len(pairs):
        for key in _KEYS:
            if sum(name == key for name, _ in pairs) > 1:
                raise DataError(f"it has the list {key!r} twice, of which one would be lost", fix="join the two")
    return content


def _categories(content: dict[str, Any], path: Path, faults: list[Fault]) -> dict[int, str]:
    """Return the labels by category id; a category that only groups others is left out, and said."""
    used = {whole(entry.get("category_id")) for entry in content["annotations"] if isinstance(entry, dict)}
    parents = {str(entry.get("supercategory")).strip() for entry in content["categories"] if isinstance(entry, dict)}
    categories: dict[int, str] = {}
    names: set[str] = set()
    for entry in content["categories"]:
        key = whole(entry.get("id")) if isinstance(entry, dict) else None
        name = "" if key is None or entry.get("name") is None else str(entry["name"]).strip()
        if key is None or not name:
            raise DataError(f"a category needs a whole-number id and a name, {path} has {_shown(entry)}")
        if key not in used:
            if name in parents and entry.get("supercategory") in ("none", "", None):
                detail = "no box has it and others name it as theirs: it groups them, and becomes no class"
                faults.append(Fault(UNUSED_LABEL, name, detail))
                continue
            faults.append(Fault(UNUSED_LABEL, name, "no box has it"))
        if key in categories or name in names:
            raise DataError(f"categories need ids and names that differ, {path} repeats {_shown(entry)}")
        categories[key] = name
        names.add(name)
    return categories


def _shown(entry: object) -> str:
    return quoted(json.dumps(entry, ensure_ascii=False))


def _gap(ids: list[int]) -> str | None:
    """Return a sentence about numbers left out between the category ids, None when they follow each other."""
    left_out = (number for before, after in pairwise(ids) for number in range(before + 1, after))
    first = [str(number) for number in islice(left_out, 8)]
    if not first:
        return None
    return f"ids {ids[0]} to {ids[-1]} leave out {', '.join(first)}{', ...' if len(first) == 8 else ''}: mapped by name"


def _boxes_by_image(
    annotations: list[Any], categories: dict[int, str], faults: list[Fault]
) -> tuple[dict[int, list[RawBox]], set[int]]:
    boxes: dict[int, list[RawBox]] = defaultdict(list)
    for index, entry in enumerate(annotations):
        image_id = whole(entry.get("image_id")) if isinstance(entry, dict) else None
        if image_id is None:
            detail = f"it needs a whole-number image_id, got {_shown(entry)}"
            faults.append(Fault(BROKEN_ANNOTATION, f"annotation {index}", detail))
            continue
        boxes[image_id].append(_box(entry, index, categories))
    return boxes, set(boxes)


def _box(entry: dict[str, Any], index: int, categories: dict[int, str]) -> RawBox:
    values = entry.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        values = [None] * 4
    left, top, width, height = (number(value) for value in values)
    category = whole(entry.get("category_id"))
    area = number(entry.get("area"))
    return RawBox(
        label=categories[category] if category in categories else f"category {_shown(entry.get('category_id'))}",
        box_xyxy=(left, top, left + width, top + height),
        drawn_wh=(width, height),
        text=f"bbox {_shown(entry.get('bbox'))}",
        index=index,
        difficult=bool(flag(entry.get("difficult"))),
        crowd=bool(flag(entry.get("iscrowd"))),
        area=area if 0 <= area < math.inf else None,
        unclear=unclear(iscrowd=entry.get("iscrowd"), difficult=entry.get("difficult")),
    )
