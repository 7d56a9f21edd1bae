"""PicoDet-S (Yu et al. 2021, arXiv 2111.00902): ESNet, CSP-PAN and a head that tells distances.

Every cell of the four maps (strides 8 to 64) is one prior. Its box is coded ``ltrb``: the distances of the four sides
from the cell's centre in strides, each the mean of a distribution over 0..7 (Li et al. 2020, arXiv 2006.04388).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from edgessd_training.networks.assemble import MAX_CLASSES, InputSize, check, input_hw, map_sizes_hw, start_scores
from edgessd_training.networks.csp_pan import CSPPAN, separable
from edgessd_training.networks.esnet import ESNet
from edgessd_training.networks.layers import last_convolution
from edgessd_training.networks.prior_layouts import cells_spec
from edgessd_training.networks.ssd import SSD, Head, Normalise

WIDTH = 96
BINS = 8
STRIDES = (8, 16, 32, 64)
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # ImageNet's, red green blue


class Towers(nn.Module):
    """The neck, and two separable convolutions on each of its maps, which the two heads share."""

    def __init__(self, neck: CSPPAN, width: int) -> None:
        super().__init__()
        self.neck = neck
        self.towers = nn.ModuleList(nn.Sequential(separable(width), separable(width)) for _ in neck.channels)
        self.channels = neck.channels

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [tower(level) for tower, level in zip(self.towers, self.neck(maps), strict=True)]


def picodet_s(
    *,
    classes: int,
    input_size: InputSize = 320,
    activation: str = "sigmoid",
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    initial_score: float = 0.01,
) -> SSD:
    """Return the network, random but for the scores, all ``initial_score``. Sigmoid scores only."""
    check(activation == "sigmoid", "activation", "sigmoid", activation)
    check(isinstance(classes, int) and 0 < classes <= MAX_CLASSES, "classes", f"1 to {MAX_CLASSES}", classes)
    backbone = ESNet()
    levels = Towers(CSPPAN(backbone.channels, WIDTH), WIDTH)
    height, width = input_hw(input_size)
    sizes_hw = map_sizes_hw(nn.Sequential(backbone, levels), input_size)
    location = Head([nn.Conv2d(c, 4 * BINS, 1) for c in levels.channels], 4 * BINS)
    confidence = Head([nn.Conv2d(c, classes, 1) for c in levels.channels], classes)
    for predictor in confidence.predictors:
        last = last_convolution(predictor)
        nn.init.normal_(last.weight, std=0.01)
        start_scores(last, initial_score)
    return SSD(
        Normalise(list(mean), list(std), rgb=True),
        backbone,
        location,
        confidence,
        neck=levels,
        priors=cells_spec(height, width, sizes_hw, STRIDES),
        input_hw=(height, width),
        activation=activation,
        bins=BINS,
    )
