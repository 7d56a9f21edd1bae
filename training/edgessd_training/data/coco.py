"""COCO: one JSON file with images, annotations and categories (cocodataset.org, "Data format")."""

import json
from collections import defaultdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd_training.data.faults import BROKEN_ANNOTATION, ID_GAP, LISTED_TWICE, UNKNOWN_IMAGE, UNSAFE_PATH, Fault
from edgessd_training.data.raw import RawBox, RawImage, RawSet, number, quoted, side
from edgessd_training.data.source import Source, bounded_bytes, leaves_its_folder

MAX_JSON_BYTES = 2 << 30


def parse_coco(source: Source) -> RawSet:
    """Return the data set as its file says. Raises DataError when the JSON is broken or no COCO annotation.

    Labels stand in the order of the category ids, whose gaps do not matter.
    """
    content = read_json(source.place)
    categories = _categories(content, source.place)
    labels = tuple(categories[key] for key in sorted(categories))
    parsed = RawSet(labels)
    if gap := _gap(sorted(categories)):
        parsed.faults.append(Fault(ID_GAP, source.place.name, gap))
    boxes, known = _boxes_by_image(content["annotations"], categories, parsed.faults)
    folder = Path(source.part).expanduser()
    seen: set[int] = set()
    for index, entry in enumerate(content["images"]):
        where = f"{source.place.name}, image {index}"
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int) or not entry.get("file_name"):
            parsed.faults.append(Fault(BROKEN_ANNOTATION, where, "an image needs a whole-number id and a file_name"))
            continue
        name = str(entry["file_name"])
        if leaves_its_folder(name):
            parsed.faults.append(Fault(UNSAFE_PATH, name, "a file_name must not leave the folder of images"))
        elif entry["id"] in seen:
            parsed.faults.append(Fault(LISTED_TWICE, name, f"the image id {entry['id']} is taken by another image"))
        else:
            parsed.images.append(
                RawImage(
                    str(entry["id"]),
                    name,
                    folder / name,
                    side(entry.get("height")),
                    side(entry.get("width")),
                    tuple(boxes.get(entry["id"], ())),
                    source.place,
                )
            )
        seen.add(entry["id"])
    for image_id in sorted(known - seen):
        count = len(boxes[image_id])
        detail = f"{count} annotations name the image id {image_id}, which is not listed"
        parsed.faults.append(Fault(UNKNOWN_IMAGE, source.place.name, detail))
    return parsed


def read_json(path: Path) -> dict[str, Any]:
    """Return a COCO file's content; its three lists are there. Raises DataError."""
    try:
        content = json.loads(bounded_bytes(path, MAX_JSON_BYTES), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not whole JSON ({error})", fix="copy or export it again") from error
    if not isinstance(content, dict):
        raise DataError(f"COCO annotations are one JSON object, {path} holds a {type(content).__name__}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(f"COCO annotations need a list {key!r}, {path} has none", fix="is it an instances file?")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def _categories(content: dict[str, Any], path: Path) -> dict[int, str]:
    categories: dict[int, str] = {}
    for entry in content["categories"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int) or not entry.get("name"):
            raise DataError(f"a category needs a whole-number id and a name, {path} has {entry!r}")
        if entry["id"] in categories or str(entry["name"]) in categories.values():
            raise DataError(f"categories need ids and names that differ, {path} repeats {entry!r}")
        categories[entry["id"]] = str(entry["name"])
    return categories


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
        if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), int):
            faults.append(Fault(BROKEN_ANNOTATION, f"annotation {index}", "it needs a whole-number image_id"))
            continue
        boxes[entry["image_id"]].append(_box(entry, index, categories))
    return boxes, set(boxes)


def _box(entry: dict[str, Any], index: int, categories: dict[int, str]) -> RawBox:
    values = entry.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        values = [None] * 4
    left, top, width, height = (number(value) for value in values)
    category = entry.get("category_id")
    area = number(entry.get("area"))
    known = isinstance(category, int) and category in categories
    return RawBox(
        label=categories[category] if known else quoted(f"category {category!r}"),
        box_xyxy=(left, top, left + width, top + height),
        drawn_wh=(width, height),
        text=quoted(f"bbox {entry.get('bbox')!r}"),
        index=index,
        crowd=bool(entry.get("iscrowd", 0)),
        area=area if area >= 0 else None,
    )
