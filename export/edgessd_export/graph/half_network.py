"""The network in half precision, with islands of fp32 where halves overflow or round too much.

Input stays uint8 and outputs fp32. Preprocessing, L2Norm, the activation and all that a contract adds (decode, exp,
TopK, NMS) compute in fp32; convolutions and what lies between them in fp16.
"""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgessd_training.networks.layers import L2Norm
from edgessd_training.networks.ssd import SSD


class HalfNetwork(nn.Module):
    """An SSD whose backbone, neck and heads compute in fp16: (offsets, logits) fp32 of (B, H, W, 3) uint8 BGR."""

    def __init__(self, network: SSD) -> None:
        super().__init__()
        self.activation, self.bins = network.activation, network.bins
        self.normalise = network.normalise
        self.backbone = to_half(network.backbone)
        self.neck = to_half(network.neck)
        self.location = to_half(network.location)
        self.confidence = to_half(network.confidence)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.neck([feature_map.half() for feature_map in self.backbone(self.normalise(images).half())])
        return self.location(maps).float(), self.confidence(maps).float()


def to_half(module: nn.Module) -> nn.Module:
    """Return a copy in fp16. Batch norms are folded first, in fp32; L2Norm keeps its fp32 weights."""
    copy = deepcopy(module).eval()
    fold_batch_norms(copy)
    copy.half()
    for layer in copy.modules():
        if isinstance(layer, L2Norm):
            layer.float()
    return copy


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm that follows a convolution in a Sequential into it; names stay as they were."""
    for parent in module.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        names = list(parent._modules)
        for first, second in pairwise(names):
            convolution, norm = parent._modules[first], parent._modules[second]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                with torch.no_grad():
                    parent._modules[first] = fuse_conv_bn_eval(convolution, norm)
                parent._modules[second] = nn.Identity()
