"""SSDLite: extra maps and heads of depthwise separable convolutions (1801.04381, sec. 6.2)."""

from typing import Any

from torch import Tensor, nn

from edgessd_training.networks.assemble import SizesHw, assemble, on_grid
from edgessd_training.networks.layers import conv_bn, normal_003
from edgessd_training.networks.prior_layouts import ssdlite_spec
from edgessd_training.networks.ssd import SSD, Backbone

EXTRA_CHANNELS = (512, 256, 256, 128)
LEAST_CHANNELS = 16


def extra_maps(inputs: int, width: float, **shared: Any) -> tuple[nn.ModuleList, tuple[int, ...]]:
    """Return the layers of the four extra maps, each of half the size, and their channels.

    shared: keywords of ``conv_bn``.
    """
    layers = nn.ModuleList()
    channels = tuple(max(LEAST_CHANNELS, int(outputs * width)) for outputs in EXTRA_CHANNELS)
    for outputs in channels:
        half = outputs // 2
        layers.append(
            nn.Sequential(
                conv_bn(inputs, half, 1, **shared),
                conv_bn(half, half, 3, stride=2, groups=half, **shared),
                conv_bn(half, outputs, 1, **shared),
            )
        )
        inputs = outputs
    normal_003(layers)
    return layers, channels


def ssdlite_maps(backbone: Any, pixels: Tensor, head_block: int) -> list[Tensor]:
    """Return a MobileNet's maps: the expansion of one block, the last layer, the extra ones.

    backbone: with ``first``, ``blocks`` (InvertedResidual), ``last`` and ``extras``.
    """
    current = backbone.first(pixels)
    for block in backbone.blocks[:head_block]:
        current = block(current)
    expanded = backbone.blocks[head_block].expand(current)
    current = backbone.blocks[head_block].finish(current, expanded)
    for block in backbone.blocks[head_block + 1 :]:
        current = block(current)
    maps = [expanded, backbone.last(current)]
    for extra in backbone.extras:
        maps.append(extra(maps[-1]))
    return maps


def predictor(inputs: int, outputs: int) -> nn.Sequential:
    """Return a head's layers on one map: each channel filtered, then mixed."""
    return nn.Sequential(conv_bn(inputs, inputs, 3, groups=inputs), nn.Conv2d(inputs, outputs, 1))


def ssdlite(backbone: Backbone, sizes_hw: SizesHw, **shared: Any) -> SSD:
    """Return a backbone with SSDLite's heads and priors: scales 0.2 to 0.95, ratios 2 and 3 everywhere."""
    # Shapes are fractions of the image: size and cells given here are replaced by the maps' own.
    priors = on_grid(ssdlite_spec(1, [1] * len(sizes_hw)), sizes_hw)
    return assemble(backbone, sizes_hw, priors, predictor, normal_003, **shared)
