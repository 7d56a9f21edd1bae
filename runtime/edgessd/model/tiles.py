"""Small objects in large frames: parts of the frame are detected in as well as the whole, and the boxes merged."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.boxes import FloatArray, area, intersection, iou
from edgessd.model.detections import Detections
from edgessd.util.outside_text import quoted

Corner = tuple[int, int]  # x, y in pixels
OVERLAP = 0.2  # of a tile's side, shared with its neighbour: what is smaller is whole in one of them
SAME_IOU = 0.4  # of two boxes from different pictures of one frame: below NMS within one, as they differ more
PIECE = 0.6  # of a cut box that lies within another one: it is a piece of the same object
PIECES = 0.3  # of the smaller of two cut boxes, by which they overlap: pieces of one object
_EDGE = 0.015  # of a tile's side: a box that ends so near to an inner edge is cut by it
_MOST_TILES = 64
MOTION = "motion"  # instead of tiles: regions around what moves
_GRID = 8  # up to it the two numbers are counts, above it pixels


@dataclass(frozen=True)
class Tiles:
    """Tiles across and down: their counts up to 8, or their sides in pixels. Raises InputError."""

    across: int
    down: int

    def __post_init__(self) -> None:
        """Raise InputError for numbers that are neither counts nor pixels."""
        sides = (self.across, self.down)
        if not (all(1 <= side <= _GRID for side in sides) or all(64 <= side <= 16384 for side in sides)):
            raise InputError(
                f"tiles are 1x1 to {_GRID}x{_GRID}, or sides from 64 pixels, got {self}", fix='write "2x2" or "640x640"'
            )

    def __str__(self) -> str:
        return f"{self.across}x{self.down}"

    def corners(self, height: int, width: int) -> list[tuple[Corner, Corner]]:
        """Return the first and last corners of the tiles of a frame, row by row. Raises InputError for too many."""
        columns, rows = _cuts(width, self.across), _cuts(height, self.down)
        if len(columns) * len(rows) > _MOST_TILES:
            count = len(columns) * len(rows)
            raise InputError(
                f"a frame has at most {_MOST_TILES} tiles, {self} makes {count} of {width}x{height}",
                fix="make them larger",
            )
        return [((left, top), (right, bottom)) for top, bottom in rows for left, right in columns]


def tiles_named(text: str | None) -> Tiles | str | None:
    """Return the tiles that a text such as "2x2" or "640x640" means; None and MOTION stay. Raises InputError."""
    if text is None or text == MOTION:
        return text
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text, re.ASCII)
    if found is None:
        raise InputError(f"tiles are written 2x2, in pixels 640x640, or motion, got {quoted(text)}", fix="correct it")
    return Tiles(int(found[1]), int(found[2]))


def merge(
    whole: Detections,
    parts: Sequence[Detections],
    corners: Sequence[tuple[Corner, Corner]],
    *,
    height: int,
    width: int,
    most: int,
) -> Detections:
    """Return at most ``most`` boxes of a frame, each object once, best score first.

    whole: of the frame. parts: of the tiles, in pixels of each tile, whose corners in the frame are given. Boxes that
    a tile's edge cuts count last: where another box covers them they go, where two of them overlap they become one.
    """
    pictures = [found.with_faint() for found in (whole, *parts)]
    shifts = [(0, 0), *(first for first, _ in corners)]
    sizes = [len(found) for found, _ in pictures]
    boxes_xyxy = np.concatenate(
        [found.boxes_xyxy + np.tile(shift, 2) for (found, _), shift in zip(pictures, shifts, strict=True)]
    )
    scores = np.concatenate([found.scores for found, _ in pictures])
    classes = np.concatenate([found.classes for found, _ in pictures])
    visible = np.concatenate([seen for _, seen in pictures])
    picture = np.repeat(np.arange(len(sizes)), sizes)
    edges = np.array([(0, 0, width, height), *((*first, *last) for first, last in corners)], np.float64)[picture]
    cut = _cut(boxes_xyxy, edges, height, width)
    boxes_xyxy = boxes_xyxy.astype(np.float64)
    kept: list[int] = []
    for row in np.lexsort((-scores, cut, ~visible)).tolist():
        others = [other for other in kept if classes[other] == classes[row] and picture[other] != picture[row]]
        if not others or _keep(row, np.array(others), boxes_xyxy, cut):
            kept.append(row)
    kept.sort(key=lambda row: -scores[row])
    merged = Detections(boxes_xyxy[kept].astype(np.float32), scores[kept], classes[kept])
    shown = visible[kept]
    faint = None if whole.faint is None else merged[~shown]
    nonfinite = whole.nonfinite + sum(part.nonfinite for part in parts)
    return replace(merged[shown][:most], nonfinite=nonfinite, faint=faint)


def _keep(row: int, others: NDArray[np.intp], boxes_xyxy: FloatArray, cut: NDArray[np.bool_]) -> bool:
    """Return whether a box is another object than those kept; a piece of one is added to it."""
    if (iou(boxes_xyxy[[row]], boxes_xyxy[others]) >= SAME_IOU).any():
        return False
    if not cut[row]:
        return True
    shared = intersection(boxes_xyxy[[row]], boxes_xyxy[others])[0]
    if (shared >= PIECE * area(boxes_xyxy[row])).any():
        return False
    smaller = np.minimum(area(boxes_xyxy[row]), area(boxes_xyxy[others]))
    pieces = others[cut[others] & (shared >= PIECES * smaller)]
    if len(pieces) == 0:
        return True
    first, box = boxes_xyxy[pieces[0]], boxes_xyxy[row]
    boxes_xyxy[pieces[0]] = np.concatenate([np.minimum(first[:2], box[:2]), np.maximum(first[2:], box[2:])])
    return False


def _cuts(side: int, wanted: int) -> list[tuple[int, int]]:
    """Return the first and last pixel edges of tiles along one side: so many, or of so many pixels."""
    if wanted <= _GRID:
        count = min(wanted, side)
        length = side / (count - (count - 1) * OVERLAP)
    else:
        length = float(min(wanted, side))
        count = 1 + ceil((side - length) / (length * (1 - OVERLAP)))
    starts = np.linspace(0, side - length, count)
    return [(round(start), min(side, round(start + length))) for start in starts.tolist()]


def _cut(boxes_xyxy: FloatArray, edges: FloatArray, height: int, width: int) -> NDArray[np.bool_]:
    """Return which boxes end at an edge of their picture that is none of the frame."""
    near = _EDGE * np.tile(edges[:, 2:] - edges[:, :2], 2)
    at_edge = np.abs(boxes_xyxy - edges) <= near
    inner = np.concatenate([edges[:, :2] > 0, edges[:, 2:] < (width, height)], axis=1)
    return np.asarray((at_edge & inner).any(axis=1))
