"""What is wrong with the boxes of one parsed image; needs no pixels."""

from collections.abc import Iterator

from edgessd_training.data.faults import (
    BOX_OUTSIDE,
    BOX_OVER_EDGE,
    BROKEN_ANNOTATION,
    DAMAGED_BOX,
    DUPLICATED_BOX,
    EMPTY_BOX,
    FIRST_PIXEL,
    INVERTED_BOX,
    NO_BOXES,
    SIZE_MISSING,
    UNKNOWN_LABEL,
    ZERO_AREA_BOX,
    Fault,
)
from edgessd_training.data.raw import RawBox, RawImage

# Annotation tools round and count from 0 or 1: so much over the edge changes nothing.
SLACK_PIXELS = 1.0
# YOLO's fractions of a flat box come back as 1e-14 pixels.
NO_EXTENT = 1e-6
_MOST_PIXELS = 1e9


def image_faults(
    image: RawImage, index: int, labels: tuple[str, ...] | None, size_hw: tuple[int, int] | None
) -> Iterator[Fault]:
    """Yield the findings about one image's boxes.

    labels: the names allowed, any where None. size_hw: what the boxes must lie in, unchecked where None.
    """
    if image.height is None or image.width is None:
        yield Fault(SIZE_MISSING, image.file_name, "the annotation does not say height and width", index)
    if not image.boxes:
        yield Fault(NO_BOXES, image.file_name, "kept as a picture of nothing", index)
    seen = set()
    allowed = None if labels is None else frozenset(labels)
    for place, box in enumerate(image.boxes):
        where = f"{image.file_name}, box {box.index + 1} ({box.label})"
        if not box.label:
            yield Fault(UNKNOWN_LABEL, where, "the box has no label", index, place)
        elif allowed is not None and box.label not in allowed:
            yield Fault(UNKNOWN_LABEL, where, f"{box.label!r} is not among the labels", index, place)
        if (found := _shape_fault(box)) or (size_hw and (found := _edge_fault(box, *size_hw))):
            kind, rule = found
            yield Fault(kind, where, f"{rule}: {box.text}", index, place)
        if box.unclear:
            yield Fault(BROKEN_ANNOTATION, where, box.unclear, index, place)
        key = (box.label, *box.box_xyxy)
        if key in seen:
            yield Fault(DUPLICATED_BOX, where, f"label and edges of an earlier box: {box.text}", index, place)
        seen.add(key)


def _shape_fault(box: RawBox) -> tuple[str, str] | None:
    width, height = box.drawn_wh
    if not all(abs(edge) < _MOST_PIXELS for edge in box.box_xyxy):  # false for NaN, too
        return DAMAGED_BOX, "an edge is missing or no number"
    if width < -NO_EXTENT or height < -NO_EXTENT:
        return INVERTED_BOX, "right before left or bottom before top"
    if width <= NO_EXTENT and height <= NO_EXTENT:
        return EMPTY_BOX, "a point, without width and height"
    if width <= NO_EXTENT or height <= NO_EXTENT:
        return ZERO_AREA_BOX, "a line, without width or height"
    return None


def _edge_fault(box: RawBox, height: int, width: int) -> tuple[str, str] | None:
    left, top, right, bottom = box.box_xyxy
    if right <= 1 and bottom <= 1 and (height, width) != (1, 1) and any(edge % 1 for edge in box.box_xyxy):
        return FIRST_PIXEL, "inside the first pixel: edges are in pixels, not fractions of the image"
    over = max(-left, -top, right - width, bottom - height)
    if over > SLACK_PIXELS:
        return BOX_OUTSIDE, f"{over:.1f} pixels outside the image of {width}x{height}"
    if over > NO_EXTENT:
        return BOX_OVER_EDGE, f"{over:.2f} pixels over the edge of {width}x{height}"
    return None
