"""Priors (default boxes): a specification that is data, and the one generator that reads it.

The order is row by row, cell by cell, then shape by shape: prior ((y * width) + x) * A + a, map after map.
It is the order in which a head (B, A * n, H, W) is permuted to (B, H, W, A * n) and reshaped.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import CardError, InputError
from edgessd.util.bounded_json import items, number, short, whole

Shape = tuple[float, float]
MAX_PRIORS = 1_000_000
MAX_SIDE = 1e6  # of a step or a prior, as a fraction of the image


@dataclass(frozen=True)
class FeatureMap:
    """One map's grid: its cells, the distance between them, and the shapes that stand in every cell.

    ``step_wh`` is the distance between cell centres and ``shapes_wh`` the width and height of each prior,
    both as fractions of the image; the first centre lies at ``offset * step_wh``.
    """

    height: int
    width: int
    step_wh: Shape
    shapes_wh: tuple[Shape, ...]
    offset: float = 0.5


@dataclass(frozen=True)
class PriorSpec:
    """All feature maps, in the order of the network's heads; ``clip`` cuts priors at the image's edge."""

    maps: tuple[FeatureMap, ...]
    clip: bool = False

    def __len__(self) -> int:
        """Return P, the number of priors."""
        return sum(grid.height * grid.width * len(grid.shapes_wh) for grid in self.maps)

    def as_json(self) -> dict[str, Any]:
        """Return the specification as plain JSON values."""
        return {
            "clip": self.clip,
            "maps": [
                {
                    "height": grid.height,
                    "width": grid.width,
                    "step_wh": list(grid.step_wh),
                    "offset": grid.offset,
                    "shapes_wh": [list(shape) for shape in grid.shapes_wh],
                }
                for grid in self.maps
            ],
        }

    @property
    def sha256(self) -> str:
        """Return the hash of the canonical JSON form, by which a card and a network agree."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def spec_from_json(value: Any) -> PriorSpec:
    """Return the specification that ``PriorSpec.as_json`` wrote. Raises CardError on anything else."""
    try:
        if not isinstance(value, dict) or not isinstance(value.get("clip"), bool):
            raise InputError("maps and clip (true or false) are expected")
        spec = PriorSpec(tuple(_map_from_json(grid) for grid in items(value.get("maps"), "maps")), value["clip"])
    except InputError as error:
        raise CardError(f"the prior specification is damaged: {error.cause}", fix="export the model again") from error
    if not 0 < len(spec) <= MAX_PRIORS:
        raise CardError(f"a prior specification has 1 to {MAX_PRIORS} priors, this has {len(spec)}", fix="export again")
    return spec


def _map_from_json(grid: Any) -> FeatureMap:
    if not isinstance(grid, dict):
        raise InputError(f"a map must be a table, got {short(grid)}")
    shapes = items(grid.get("shapes_wh"), "shapes_wh")
    if not shapes:
        raise InputError("a map has no shapes")
    return FeatureMap(
        height=whole(grid.get("height"), "a map's height", 1, MAX_PRIORS),
        width=whole(grid.get("width"), "a map's width", 1, MAX_PRIORS),
        step_wh=_pair(grid.get("step_wh"), "step_wh"),
        shapes_wh=tuple(_pair(shape, "shapes_wh") for shape in shapes),
        offset=number(grid.get("offset"), "offset", -MAX_SIDE, MAX_SIDE),
    )


def _pair(value: Any, name: str) -> Shape:
    pair = items(value, name)
    if len(pair) != 2:
        raise InputError(f"{name} must be a width and a height, got {short(pair)}")
    return number(pair[0], name, 1 / MAX_SIDE, MAX_SIDE), number(pair[1], name, 1 / MAX_SIDE, MAX_SIDE)


def generate(spec: PriorSpec) -> NDArray[np.float32]:
    """Return the priors, (P, 4) float32, cxcywh, fractions of the image (paper, sec. 2.2)."""
    return np.concatenate([_grid(feature_map, clip=spec.clip) for feature_map in spec.maps])


def _grid(grid: FeatureMap, *, clip: bool) -> NDArray[np.float32]:
    shapes = np.array(grid.shapes_wh, dtype=np.float64)
    step_x, step_y = grid.step_wh
    y, x = np.meshgrid(
        (np.arange(grid.height) + grid.offset) * step_y,
        (np.arange(grid.width) + grid.offset) * step_x,
        indexing="ij",
    )
    centres = np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), len(shapes), axis=0)
    priors = np.hstack([centres, np.tile(shapes, (grid.height * grid.width, 1))])
    if clip:  # as the paper's code does: every number is cut to 0..1, not the corners
        priors = priors.clip(0, 1)
    return priors.astype(np.float32)


def ssd_shapes(scale: float, next_scale: float, aspect_ratios: Sequence[float]) -> tuple[Shape, ...]:
    """Return the shapes of one cell: two squares, then two boxes per aspect ratio (paper, sec. 2.2).

    The second square has the scale sqrt(s_k * s_k+1). Ratios are those above 1; each brings its inverse.
    """
    extra = sqrt(scale * next_scale)
    shapes = [(scale, scale), (extra, extra)]
    for ratio in aspect_ratios:
        root = sqrt(ratio)
        shapes += [(scale * root, scale / root), (scale / root, scale * root)]
    return tuple(shapes)


def linear_scales(count: int, smallest: float, largest: float) -> list[float]:
    """Return s_1 .. s_count, evenly spaced (paper, eq. 4)."""
    return [smallest + (largest - smallest) * k / (count - 1) for k in range(count)]


def ssd_spec(
    input_size: int,
    map_sizes: Sequence[int],
    pixel_sizes: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    steps: Sequence[float] | None = None,
    *,
    clip: bool = False,
) -> PriorSpec:
    """Return the specification of a square SSD whose sizes are given in pixels of its input.

    pixel_sizes: s_k of every map and one more at the end, in pixels. aspect_ratios: a list for every map.
    steps: pixels between cell centres; the even division of the input when left out.
    """
    scales = [size / input_size for size in pixel_sizes]
    cell_steps = steps or [input_size / cells for cells in map_sizes]
    return PriorSpec(
        maps=tuple(
            FeatureMap(cells, cells, (step / input_size, step / input_size), ssd_shapes(scale, following, ratios))
            for cells, step, scale, following, ratios in zip(
                map_sizes, cell_steps, scales, scales[1:], aspect_ratios, strict=False
            )
        ),
        clip=clip,
    )


def ssd300_spec() -> PriorSpec:
    """Return the 8732 priors of the paper's SSD300: conv4_3 at 0.1, then 0.2 to 0.9 (paper, sec. 3.1)."""
    # The paper's code rounds s_k = 0.2 + 0.17 (k - 1) to whole percents; 1.05 closes the last map.
    return ssd_spec(
        300,
        map_sizes=(38, 19, 10, 5, 3, 1),
        pixel_sizes=(30, 60, 111, 162, 213, 264, 315),
        aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
        steps=(8, 16, 32, 64, 100, 300),
    )


def ssd512_spec() -> PriorSpec:
    """Return the 24564 priors of the paper's SSD512 (paper, sec. 3.3: s_min 0.15, conv4_3 at 0.07)."""
    return ssd_spec(
        512,
        map_sizes=(64, 32, 16, 8, 4, 2, 1),
        pixel_sizes=(35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6),
        aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
        steps=(8, 16, 32, 64, 128, 256, 512),
    )


def ssdlite_spec(input_size: int, map_sizes: Sequence[int]) -> PriorSpec:
    """Return SSDLite's priors: six a cell, scales 0.2 to 0.95, ratios 2 and 3 everywhere (torchvision's)."""
    scales = [*linear_scales(len(map_sizes), 0.2, 0.95), 1.0]
    return ssd_spec(
        input_size, map_sizes, [scale * input_size for scale in scales], [(2, 3)] * len(map_sizes), clip=True
    )


def cells_spec(height: int, width: int, map_sizes_hw: Sequence[tuple[int, int]], strides: Sequence[int]) -> PriorSpec:
    """Return one prior a cell, as large as the stride in pixels of a height x width input: for the coding ``ltrb``."""
    return PriorSpec(
        tuple(
            FeatureMap(rows, columns, (stride / width, stride / height), ((stride / width, stride / height),))
            for (rows, columns), stride in zip(map_sizes_hw, strides, strict=True)
        )
    )


def tensorflow_spec(map_sizes_hw: Sequence[tuple[int, int]], smallest: float = 0.2, largest: float = 0.95) -> PriorSpec:
    """Return the anchors of TensorFlow's object detection SSD: 1917 for maps 19, 10, 5, 3, 2, 1.

    The first map has three a cell, (scale, ratio) = (0.1, 1), (s, 2), (s, 1/2); the others the ratios
    1, 2, 1/2, 3, 1/3, then a square of sqrt(s_k * s_k+1).
    """
    scales = [*linear_scales(len(map_sizes_hw), smallest, largest), 1.0]
    maps = []
    for k, (height, width) in enumerate(map_sizes_hw):
        if k == 0:
            pairs = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        else:
            pairs = [(scales[k], ratio) for ratio in (1.0, 2.0, 1 / 2, 3.0, 1 / 3)]
            pairs.append((sqrt(scales[k] * scales[k + 1]), 1.0))
        shapes = tuple((scale * sqrt(ratio), scale / sqrt(ratio)) for scale, ratio in pairs)
        maps.append(FeatureMap(height, width, (1 / width, 1 / height), shapes))
    return PriorSpec(tuple(maps))
