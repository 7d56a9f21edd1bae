"""Labelled images as they come become the splits of a run: recognised, checked, split, written as COCO files.

The files name the pictures where they lie; nothing of the data is copied but the boxes.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from edgessd.errors import DataError, InputError
from edgessd.util.cores import usable_cores
from edgessd.util.files import is_folder, make_folder, write_text
from edgessd_training.data.archive import unpack
from edgessd_training.data.check import Checked, check
from edgessd_training.data.faults import Fault
from edgessd_training.data.kept import KeptImage
from edgessd_training.data.layouts import ALL, Layout, recognise
from edgessd_training.data.repair import kept_images
from edgessd_training.data.source import FORMATS, parse_source
from edgessd_training.data.split import hold_out
from edgessd_training.data.text import to_json

MOST_LOST = 0.5
ENOUGH_FOR_GATE = 64  # pictures: of a dozen one box more or less is 0.05 of mAP
FOLDER = "data"


@dataclass(frozen=True)
class Prepared:
    """What a run trains and is judged on. train, val, test: data set texts, test None where there is none.

    told: sentences for the user. faults: all that the check found. gate: what a quantised
    model is compared on: val, and where that is small train too. pictures: a folder of some.
    """

    layout: str
    train: str
    val: str
    test: str | None
    gate: str
    pictures: str
    told: tuple[str, ...]
    faults: tuple[Fault, ...]


def prepare(
    data: str,
    folder: Path,
    *,
    on_total: Callable[[int], object] = lambda total: None,
    on_images: Callable[[int], object] = lambda count: None,
) -> Prepared:
    """Return the splits of a folder, a zip or a data set text, written into ``folder``.

    A picture or a box that cannot be used is left out and told. Raises DataError where more than half are, or where
    the layout is unknown; InputError where no place has the name.
    """
    make_folder(folder)
    layout = layout_of(data, folder)
    if "@" in str(layout.root):
        raise InputError(f"the path {layout.root} holds an @, which parts a data set's text", fix="rename the folder")
    names = list(layout.splits)
    checked = check(
        [layout.splits[name] for name in names], readers=usable_cores(), on_total=on_total, on_images=on_images
    )
    kept = {name: kept_images(split) for name, split in zip(names, checked, strict=True)}
    sizes = ", ".join(f"{name} {len(kept[name])}" for name in names)
    told = [f"{layout.name}: {sizes} pictures", *_lost(checked, kept)]
    if layout.unread:
        told.append(f"labels in another format are there too and are not read: {', '.join(layout.unread)}")
    for name in [name for name in ("val", "test") if name in kept and not kept[name]]:
        del kept[name]
        told.append(f"{name} holds no picture that is its own")
    if ALL in kept or "val" not in kept:
        pool = kept.pop(ALL if ALL in kept else "train")
        labels = labels_of(checked, pool)
        kept["train"], kept["val"], how = _held_out(pool, labels)
        told.append(how)
    labels = labels_of(checked, kept["train"])
    judged = Counter(
        box.label
        for entry in chain.from_iterable(kept.values())
        for box in entry.image.boxes
        if box.index in entry.boxes
    )
    strange = [f"{label} ({count})" for label, count in judged.most_common() if label not in labels]
    if strange:
        told.append(f"not in train, and so no class of the model; their boxes are left out: {', '.join(strange[:8])}")
    unused = sorted({label for split in checked for label in split.parsed.labels or ()} - set(labels) - judged.keys())
    if unused:
        told.append(f"without a box, and so no class of the model: {', '.join(unused[:8])}")
    kept["gate"] = kept["val"] if len(kept["val"]) >= ENOUGH_FOR_GATE else [*kept["val"], *kept["train"]]
    places = {name: _write(folder / f"{name}.json", images, labels, layout.root) for name, images in kept.items()}
    texts = {name: f"coco:{place}@{layout.root}" for name, place in places.items()}
    faults = tuple(fault for split in checked for fault in split.faults)
    pictures = kept.get("test") or kept["val"]
    return Prepared(
        layout.name,
        texts["train"],
        texts["val"],
        texts.get("test"),
        texts["gate"],
        str(pictures[0].image.path.parent),
        tuple(told),
        faults,
    )


def layout_of(data: str, folder: Path) -> Layout:
    """Return the layout of a folder, a zip, which is unpacked below ``folder``, or a data set text."""
    if data.partition(":")[0] in FORMATS:
        source = parse_source(data)
        root = Path(source.part) if source.format == "coco" else source.place
        return Layout(source.format, (root if is_folder(root) else root.parent).absolute(), {ALL: source})
    place = Path(data).expanduser()
    if place.suffix.lower() == ".zip" and place.is_file():
        return recognise(unpack(place, folder / "unpacked"))
    if not is_folder(place):
        raise InputError(f"no folder or zip of labelled images at {data}", fix="check the path")
    return recognise(place)


def labels_of(checked: Sequence[Checked], images: Sequence[KeptImage]) -> tuple[str, ...]:
    """Return the labels that have a box, in the order of the data set where it has one, else sorted."""
    used = {box.label for entry in images for box in entry.image.boxes if box.index in entry.boxes}
    listed = dict.fromkeys(label for split in checked for label in split.parsed.labels or ())
    return (*(label for label in listed if label in used), *sorted(used - listed.keys()))


def _lost(checked: Sequence[Checked], kept: Mapping[str, Sequence[KeptImage]]) -> list[str]:
    """Return what was left out, a sentence a kind of fault. Raises DataError where too little is left."""
    total = sum(len(split.parsed.images) for split in checked)
    left = sum(map(len, kept.values()))
    errors = [fault for split in checked for fault in split.faults if fault.is_error]
    if left < (1 - MOST_LOST) * total or not left:
        first = f"{errors[0].kind}: {errors[0].where}: {errors[0].detail}" if errors else "no annotation can be read"
        raise DataError(
            f"{total - left} of {total} pictures cannot be used ({first})", fix="see all with `edgessd data check`"
        )
    kinds = Counter(fault.kind for fault in errors)
    examples = {fault.kind: fault.where for fault in reversed(errors)}
    lines = [f"left out or mended: {count} x {kind}, such as {examples[kind]}" for kind, count in kinds.most_common()]
    return [f"{total - left} of {total} pictures left out", *lines] if total > left else lines


def _held_out(pool: Sequence[KeptImage], labels: Sequence[str]) -> tuple[list[KeptImage], list[KeptImage], str]:
    place = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(pool), len(labels)), np.int64)
    for row, entry in enumerate(pool):
        for box in entry.image.boxes:
            if box.index in entry.boxes:
                counts[row, place[box.label]] += 1
    if len(pool) < 4:
        raise DataError(f"{len(pool)} pictures are too few to train and to judge on", fix="label more; 50 are a start")
    split = hold_out([entry.image.path for entry in pool], counts)
    pairs = list(zip(pool, split.held_out.tolist(), strict=True))
    return [entry for entry, out in pairs if not out], [entry for entry, out in pairs if out], split.how


def _write(path: Path, images: Sequence[KeptImage], labels: Sequence[str], root: Path) -> Path:
    """Write one split as a COCO file whose names count from ``root``; a difficult box says so."""
    category = {label: index + 1 for index, label in enumerate(labels)}
    entries: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, entry in enumerate(images, start=1):
        height, width = entry.size_hw
        name = _below(entry.image.path, root)
        entries.append({"id": number, "file_name": name, "height": height, "width": width})
        for box in entry.image.boxes:
            if box.index not in entry.boxes or box.label not in category:
                continue
            left, top, right, bottom = entry.boxes[box.index]
            size = [right - left, bottom - top]
            flags = {"iscrowd": int(box.crowd), **({"difficult": 1} if box.difficult else {})}
            area = size[0] * size[1] if box.area is None else box.area
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category[box.label],
                    "bbox": [left, top, *size],
                    "area": area,
                    **flags,
                }
            )
    categories = [{"id": index, "name": label} for label, index in category.items()]
    write_text(path, to_json({"images": entries, "annotations": annotations, "categories": categories}))
    return path


def _below(path: Path, root: Path) -> str:
    """Return a picture's name from the root, links in it kept where they can be. Raises DataError for one outside."""
    for place, top in ((path.absolute(), root), (path.resolve(), root.resolve())):
        if place.is_relative_to(top):
            return place.relative_to(top).as_posix()
    raise DataError(f"the picture {path} lies outside {root}", fix="give the folder that holds labels and pictures")
