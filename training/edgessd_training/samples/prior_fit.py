"""Priors fitted to labels: how many boxes have a prior that overlaps them, and shapes of which more do.

The shapes are clusters of the boxes' widths and heights under the distance 1 - IoU (YOLO9000, sec. 2, "Dimension
Clusters"); each stands on the coarsest map that is fine enough for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.boxes import cxcywh_to_xyxy, iou
from edgessd.model.priors import PriorSpec, generate
from edgessd_training.data.records import DataSet
from edgessd_training.networks import build
from edgessd_training.samples.maker import LEAST_PIXELS

MATCHED = 0.5  # IoU from which a prior answers for a box (paper, sec. 2.2)
ENOUGH = 0.95  # of the boxes of every size with a prior: no larger input is looked for
BANDS = (0.05, 0.1, 0.2, 0.4)  # between sizes: root of a box's area, as a fraction of the image's
FEW = 0.02  # of the boxes: a size that has no more does not choose the input
LARGER = (384, 512, 640)
# A box of twice and a half the step overlaps the nearest prior of its own shape by half wherever it lies.
STEPS_A_SIDE = 2.5
ROUNDS = 100
CHUNK = 256  # boxes compared with all priors at once
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Fit:
    """One choice of priors. description: of the network. matched: which boxes have a prior, (M,) bool."""

    description: Mapping[str, Any]
    spec: PriorSpec
    matched: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Return the share of boxes that have a prior."""
        return float(np.mean(self.matched))


def bands_of(boxes_xyxy: Array) -> NDArray[np.int64]:
    """Return for each box between which of BANDS its size lies, (M,), 0 to 4."""
    sides = np.sqrt((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1))
    return np.asarray(np.searchsorted(BANDS, sides, side="right"), np.int64)


def boxes_of(data: DataSet) -> Array:
    """Return all boxes that are trained on, (M, 4) xyxy, fractions of their images."""
    rows = [
        record.boxes_xyxy[~record.crowd] / np.array([record.width, record.height] * 2, np.float32)
        for record in data.records
    ]
    boxes_xyxy = np.concatenate(rows) if rows else np.zeros((0, 4))
    seen = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).min(axis=1, initial=1) * LARGER[-1] >= LEAST_PIXELS
    return np.asarray(boxes_xyxy[seen], np.float32)


def best_overlaps(boxes_xyxy: Array, spec: PriorSpec) -> Array:
    """Return each box's highest IoU with a prior, (M,) float32."""
    priors_xyxy = cxcywh_to_xyxy(generate(spec))
    chunks = [boxes_xyxy[start : start + CHUNK] for start in range(0, len(boxes_xyxy), CHUNK)]
    return np.concatenate([iou(chunk, priors_xyxy).max(axis=1) for chunk in chunks] or [np.zeros(0, np.float32)])


def clusters(sizes_wh: Array, count: int) -> Array:
    """Return at most so many shapes, (K, 2) width and height, the smallest first: k-means by 1 - IoU.

    It starts from sizes evenly spread over the areas, so the same boxes give the same shapes.
    """
    order = sizes_wh[np.argsort(sizes_wh.prod(axis=1), kind="stable")]
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    centres = np.unique(order[np.unique(places)], axis=0)
    nearest = np.full(len(sizes_wh), -1)
    for _ in range(ROUNDS):
        before, nearest = nearest, overlaps_wh(sizes_wh, centres).argmax(axis=1)
        if (nearest == before).all():
            break
        used = np.unique(nearest)
        centres[used] = [sizes_wh[nearest == index].mean(axis=0) for index in used]
    return centres[np.argsort(centres.prod(axis=1), kind="stable")]


def overlaps_wh(sizes_wh: Array, shapes_wh: Array) -> Array:
    """Return the IoU of boxes and shapes about one centre, (M, K)."""
    common = np.minimum(sizes_wh[:, None], shapes_wh[None]).prod(axis=2)
    return np.asarray(common / (sizes_wh.prod(axis=1)[:, None] + shapes_wh.prod(axis=1)[None] - common), np.float32)


def with_shapes(spec: PriorSpec, shapes_wh: Array) -> PriorSpec:
    """Return priors of those shapes on the same maps; a map that gets none keeps its own."""
    steps_wh = np.array([grid.step_wh for grid in spec.maps])
    fits = (shapes_wh[:, None] / steps_wh[None]).min(axis=2) >= STEPS_A_SIDE  # (K, maps)
    finest = int(steps_wh.prod(axis=1).argmin())
    coarseness = np.where(fits, steps_wh.prod(axis=1)[None], -1.0)
    chosen = np.where(fits.any(axis=1), coarseness.argmax(axis=1), finest)
    maps = [
        replace(grid, shapes_wh=tuple((round(float(w), 4), round(float(h), 4)) for w, h in shapes_wh[chosen == index]))
        if (chosen == index).any()
        else grid
        for index, grid in enumerate(spec.maps)
    ]
    return PriorSpec(tuple(maps), spec.clip)


def default_fit(description: Mapping[str, Any], boxes_xyxy: Array) -> Fit:
    """Return what the network's own priors do. Raises InputError for one that has none to choose."""
    network = build({**description, "classes": 1})
    if network.coding == "ltrb":
        raise InputError("this network tells distances and has no priors to choose", fix="choose its input size")
    return Fit(description, network.priors, best_overlaps(boxes_xyxy, network.priors) >= MATCHED)


def propose(description: Mapping[str, Any], boxes_xyxy: Array, count: int) -> Fit:
    """Return priors of ``count`` shapes at the smallest input at which 95% of each size have one, or at the best.

    boxes_xyxy: (M, 4), fractions of the image, M at least 1. The input is the description's or a larger one of 384,
    512 and 640 pixels, where the network takes it.
    """
    base = {key: value for key, value in description.items() if key != "priors"}
    own = base.get("input_size")
    sides = own if isinstance(own, Sequence) else [own or 0]
    shapes_wh = clusters(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], count)
    bands = bands_of(boxes_xyxy)
    sizes = [band for band in np.unique(bands) if np.mean(bands == band) > FEW]
    best, highest = None, -1.0
    for size in (own, *(size for size in LARGER if size > max(sides))):
        candidate = {**base, "input_size": size} if size else base
        try:
            spec = with_shapes(build({**candidate, "classes": 1}).priors, shapes_wh)
        except InputError:  # a network of one input size
            continue
        matched = best_overlaps(boxes_xyxy, spec) >= MATCHED
        lowest = min(float(np.mean(matched[bands == band])) for band in sizes)
        if lowest > highest:
            best, highest = Fit({**candidate, "priors": spec.as_json()}, spec, matched), lowest
        if lowest >= ENOUGH:
            break
    if best is None:
        raise InputError("the network takes none of the input sizes", fix="set network.input_size")
    return best


def toml_of(fit: Fit) -> str:
    """Return the network's table of a recipe."""
    lines = ["[network]"]
    for key, value in fit.description.items():
        if key != "priors":
            lines.append(f"{key} = {_value(value)}")
    lines += ["", "[network.priors]", f"clip = {_value(fit.spec.clip)}"]
    for grid in fit.spec.as_json()["maps"]:
        lines += ["", "[[network.priors.maps]]", *(f"{key} = {_value(value)}" for key, value in grid.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Sequence):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
