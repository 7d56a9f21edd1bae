"""Priors (default boxes): a specification that is data, and the one generator that reads it.

The order is row by row, cell by cell, then shape by shape: prior ((y * width) + x) * A + a, map after map.
It is the order in which a head (B, A * n, H, W) is permuted to (B, H, W, A * n) and reshaped.
"""

import hashlib
import json
from dataclasses import dataclass
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
