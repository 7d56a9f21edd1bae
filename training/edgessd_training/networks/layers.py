"""The layers that several networks share."""

from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

SSDLITE_EPS, SSDLITE_MOMENTUM = 1e-3, 0.03  # batch norm of TensorFlow's SSDLite, and of torchvision's


class Norm(TypedDict):
    """The keywords of ``conv_bn`` that are batch norm's."""

    eps: float
    momentum: float


class SamePad(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: what is odd goes to the bottom and the right.

    At stride 2 an even size is padded 0 before and 1 after, an odd one 1 and 1.
    """

    def forward(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        top, bottom = _same_padding(height, self.kernel_size[0], self.stride[0])
        left, right = _same_padding(width, self.kernel_size[1], self.stride[1])
        padding = (top, left)
        if top != bottom or left != right:
            maps, padding = functional.pad(maps, (left, right, top, bottom)), (0, 0)
        return functional.conv2d(maps, self.weight, self.bias, self.stride, padding, 1, self.groups)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(size // -stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv_bn(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    *,
    convolution: type[nn.Conv2d] = nn.Conv2d,
    activation: type[nn.Module] = nn.ReLU6,
    eps: float = SSDLITE_EPS,
    momentum: float = SSDLITE_MOMENTUM,
) -> nn.Sequential:
    """Return convolution, batch norm and activation; padded by half the kernel on every side, or as SamePad does."""
    return nn.Sequential(
        convolution(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=eps, momentum=momentum),
        activation(inplace=True) if activation is not nn.Identity else nn.Identity(),
    )


def divisible(channels: float, divisor: int = 8) -> int:
    """Return the nearest multiple of the divisor that loses no more than a tenth (1704.04861's code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class SqueezeExcite(nn.Module):
    """Channels weighted by what the whole map shows (Hu et al. 2018), with MobileNetV3's hard sigmoid."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        weights = maps.mean(dim=(2, 3), keepdim=True)
        return maps * nn.functional.hardsigmoid(self.excite(self.squeeze(weights).relu()))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, filter each channel, project; added to its input where shapes agree.

    ``expand``, ``depthwise``, ``squeeze`` and ``project`` are its steps; absent ones are the identity.
    """

    def __init__(
        self,
        inputs: int,
        expanded: int,
        outputs: int,
        stride: int,
        *,
        kernel: int = 3,
        squeezed: int = 0,
        activation: type[nn.Module] = nn.ReLU6,
        **shared: Any,
    ) -> None:
        """shared: keywords of ``conv_bn`` for all of them."""
        super().__init__()
        active: dict[str, Any] = {"activation": activation, **shared}
        self.expanded = expanded
        self.expand = conv_bn(inputs, expanded, 1, **active) if expanded != inputs else nn.Identity()
        self.depthwise = conv_bn(expanded, expanded, kernel, stride, expanded, **active)
        self.squeeze = SqueezeExcite(expanded, squeezed) if squeezed else nn.Identity()
        self.project = conv_bn(expanded, outputs, 1, activation=nn.Identity, **shared)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        return self.finish(maps, self.expand(maps))

    def finish(self, maps: Tensor, expanded: Tensor) -> Tensor:
        """Return the block's output from its input and the output of ``expand``, on which a head may stand."""
        projected: Tensor = self.project(self.squeeze(self.depthwise(expanded)))
        return maps + projected if self.residual else projected


class L2Norm(nn.Module):
    """Each cell's features scaled to a learnt length, 20 at first (paper, sec. 3.1; Liu et al. 2015, ParseNet)."""

    def __init__(self, channels: int, length: float = 20.0, eps: float = 1e-12) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), length))
        self.eps = eps

    def forward(self, maps: Tensor) -> Tensor:
        # In fp32 under autocast too: 512 squares overflow half precision.
        maps = maps.float()
        lengths = torch.rsqrt((maps * maps).sum(dim=1, keepdim=True) + self.eps)
        return maps * lengths * self.scale.reshape(1, -1, 1, 1)


def last_convolution(layers: nn.Module) -> nn.Conv2d:
    """Return the last convolution of a predictor: its output channels are the values of the head."""
    *_, last = (module for module in layers.modules() if isinstance(module, nn.Conv2d))
    return last


def xavier(module: nn.Module) -> None:
    """Draw every convolution's weights as the paper's code does: Xavier uniform, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def normal_003(module: nn.Module) -> None:
    """Draw every convolution's weights as TensorFlow's SSDLite does: normal with deviation 0.03, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.03)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def kaiming(module: nn.Module) -> None:
    """Draw every convolution's weights as torchvision's classifiers do: He normal by fan-out, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
