"""Published prior layouts as specifications: the paper's SSD300 and SSD512, SSDLite's, TensorFlow's, PicoDet's."""

from collections.abc import Sequence
from math import sqrt

from edgessd.model.priors import FeatureMap, PriorSpec, Shape


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
