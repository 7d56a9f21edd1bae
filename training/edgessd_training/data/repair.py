"""Writes a repaired copy of checked splits: boxes clipped or dropped, unusable images left out.

Nothing is invented: an inverted box is dropped, not turned round, and an image whose size is not the annotated
one goes, since nobody knows in which of the two its boxes were drawn. Of an image in two splits the first one
named keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.files import new_folder
from edgessd_training.data.check import Checked
from edgessd_training.data.faults import (
    BOX_OUTSIDE,
    BOX_OVER_EDGE,
    BROKEN_ANNOTATION,
    BROKEN_IMAGE,
    LEAK,
    LISTED_TWICE,
    MISSING_IMAGE,
    SIZE_DIFFERS,
    TRUNCATED_IMAGE,
    UNKNOWN_IMAGE,
)
from edgessd_training.data.images import image_size_hw
from edgessd_training.data.kept import KeptImage
from edgessd_training.data.raw import Box
from edgessd_training.data.repair_formats import write_split
from edgessd_training.data.source import Source

# LISTED_TWICE with an image: its boxes are spread over two entries, so that either would teach half of them.
LEFT_OUT = frozenset({MISSING_IMAGE, BROKEN_IMAGE, TRUNCATED_IMAGE, SIZE_DIFFERS, LEAK, LISTED_TWICE})
CLIPPED = frozenset({BOX_OUTSIDE, BOX_OVER_EDGE})
MIN_CLIPPED_PIXELS = 1.0


@dataclass(frozen=True)
class Repaired:
    """The data set text of one copied split, and what was changed."""

    source: str
    images: int
    images_left_out: int
    boxes_dropped: int
    boxes_clipped: int


def repair(checked_splits: Sequence[Checked], folder: Path) -> list[Repaired]:
    """Write a copy of all splits into a folder that is new or empty; images are linked, or else copied.

    Raises InputError for a folder with something in it, or for splits that do not fit into one copy.
    """
    refuse_folder(folder, [checked.source for checked in checked_splits])
    results = []
    with new_folder(folder) as unfinished:
        for checked in checked_splits:
            kept = kept_images(checked)
            source = write_split(checked.source, kept, unfinished)
            place = folder / source.place.relative_to(unfinished)
            part = str(folder / Path(source.part).relative_to(unfinished)) if source.format == "coco" else source.part
            results.append(_summary(checked, kept, str(Source(source.format, place, part))))
    return results


def kept_images(checked: Checked) -> list[KeptImage]:
    """Return the images of one split that its copy holds, with their boxes as repaired."""
    left_out = {fault.image for fault in checked.faults if fault.kind in LEFT_OUT}
    clipped = {(fault.image, fault.box) for fault in checked.faults if fault.kind in CLIPPED}
    dropped = {
        (fault.image, fault.box)
        for fault in checked.faults
        if fault.box is not None and fault.is_error and fault.kind not in CLIPPED
    }
    kept = []
    left_out |= unread_images(checked)
    # An annotation whose image nobody knows may belong to any image without boxes.
    unknown = any(fault.kind in (BROKEN_ANNOTATION, UNKNOWN_IMAGE) and fault.image is None for fault in checked.faults)
    for index, image in enumerate(checked.parsed.images):
        if index in left_out:
            continue
        size_hw = (image.height, image.width) if image.height and image.width else image_size_hw(image.path)
        boxes = {}
        changed = set()
        for place, box in enumerate(image.boxes):
            edges: Box | None = box.box_xyxy
            if (index, place) in dropped:
                edges = None
            elif (index, place) in clipped:
                edges = _clip(box.box_xyxy, *size_hw)
                changed.add(box.index)
            if edges is not None:
                boxes[box.index] = edges
        if not image.boxes and unknown:
            continue
        if image.boxes and not boxes:
            continue  # all its objects are lost: as background it would teach that they are none
        kept.append(KeptImage(image, size_hw, boxes, frozenset(changed & boxes.keys())))
    return kept


def unread_images(checked: Checked) -> set[int | None]:
    """Return the images whose annotation has parts that nobody could read: an object in them is unknown."""
    return {fault.image for fault in checked.faults if fault.kind == BROKEN_ANNOTATION and fault.image is not None}


def _clip(box_xyxy: Box, height: int, width: int) -> Box | None:
    left, top, right, bottom = box_xyxy
    left, right = max(left, 0.0), min(right, float(width))
    top, bottom = max(top, 0.0), min(bottom, float(height))
    if right - left < MIN_CLIPPED_PIXELS or bottom - top < MIN_CLIPPED_PIXELS:
        return None
    return left, top, right, bottom


def refuse_folder(folder: Path, sources: Sequence[Source]) -> None:
    """Raise InputError for a folder with something in it, or for data sets that do not fit into one copy."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--fix writes into a new or empty folder, {folder} is not", fix="name another")
    if not folder.resolve().parent.is_dir():
        raise InputError(f"cannot make {folder}", fix=f"{folder.parent} does not exist; make it first")
    if len({(source.format, source.place.resolve() if source.format != "coco" else None) for source in sources}) > 1:
        raise InputError(
            "one copy holds splits of one data set", fix="give --fix the splits of one VOC root or YAML file"
        )
    names = [(source.place.name, Path(source.part).name) for source in sources]
    if len(set(names)) != len(names):
        raise InputError("two of the data sets would get the same name in the copy", fix="repair them one at a time")


def _summary(checked: Checked, kept: list[KeptImage], source: str) -> Repaired:
    # All of them, those of images left out and of lines that could not be read too: nothing is lost uncounted.
    unreadable = sum(fault.kind == BROKEN_ANNOTATION and fault.image is not None for fault in checked.faults)
    before = sum(len(image.boxes) for image in checked.parsed.images) + unreadable
    unread = len({fault.where for fault in checked.faults if fault.is_error and fault.image is None})
    return Repaired(
        source=source,
        images=len(kept),
        images_left_out=len(checked.parsed.images) - len(kept) + unread,
        boxes_dropped=before - sum(len(entry.boxes) for entry in kept),
        boxes_clipped=sum(len(entry.clipped) for entry in kept),
    )
