"""Quantisation-aware training: convolutions that compute what their exported Q/DQ will (Jacob et al. 2018, 1712.05877).

Where Q/DQ stand, and with which levels, is the export's decision (``edgessd_export.quantisation.qdq``): for TensorRT on
the inputs of dense convolutions, symmetric; for a CPU with a zero point, on depthwise convolutions and on outputs too,
but for networks of hard swish. A test holds the two to each other. Batch norms need no folding: weights have a scale a
channel, which a norm only multiplies. Ranges are measured once, on the weights that the run starts from.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgessd_training.networks.ssd import SSD

Ranges = Mapping[str, tuple[float, float]]
FUSED = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.ReLU, nn.ReLU6, nn.Identity)
HEADS = ("location.", "confidence.")
SMALLEST = 1e-8


@dataclass(frozen=True)
class FakeInt8:
    """ranges: lowest and highest value by LAYER:in and LAYER:out, of the layers that are quantised."""

    variant: str
    ranges: Ranges

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "FakeInt8":
        """Return what a card describes, see ``described``."""
        return cls(described["for"], {key: (low, high) for key, (low, high) in described["ranges"].items()})

    def described(self) -> dict[str, object]:
        """Return it as a card's plain values, from which ``edgessd quantize`` takes the ranges."""
        return {"for": self.variant, "ranges": {key: list(pair) for key, pair in self.ranges.items()}}

    def weights(self, network: nn.Module) -> dict[str, Tensor]:
        """Return the weights of the quantised layers, rounded; their gradients are those of the network's own."""
        layers = dict(network.named_modules())
        names = [key.removesuffix(":in") for key in self.ranges if key.endswith(":in")]
        return {f"{name}.weight": rounded_weights(layers[name], self.variant) for name in names}

    def attach(self, network: nn.Module) -> list[Any]:
        """Round what goes into and out of the quantised layers from now on; return the hooks' handles."""
        layers = dict(network.named_modules())
        handles = []
        for key, (low, high) in self.ranges.items():
            name, _, side = key.rpartition(":")
            levels = symmetric(low, high) if self.variant == "tensorrt" else affine(low, high)
            if side == "in":
                handles.append(layers[name].register_forward_pre_hook(partial(_round_input, levels)))
            elif (end := end_of(layers, name)) is not None:
                handles.append(end.register_forward_hook(partial(_round_output, levels)))
        return handles


class Int8Network(nn.Module):
    """A network that computes in fake int8; its parameters are the network's own."""

    def __init__(self, network: SSD, fake: FakeInt8) -> None:
        super().__init__()
        self.network, self.fake = network, fake
        fake.attach(network)

    def forward(self, images: Tensor) -> Any:
        return functional_call(self.network, self.fake.weights(self.network), (images,))


@contextmanager
def computing_in(fake: FakeInt8 | None, network: nn.Module) -> Iterator[None]:
    """Let a network compute in fake int8 inside the with-block; None changes nothing."""
    if fake is None:
        yield
        return
    handles, own = fake.attach(network), dict(network.named_parameters())
    kept = {name: own[name].detach().clone() for name in fake.weights(network)}
    with torch.no_grad():
        for name, rounded in fake.weights(network).items():
            own[name].copy_(rounded)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for name, weight in kept.items():
                own[name].copy_(weight)


def rounded_weights(layer: nn.Module, variant: str) -> Tensor:
    """Return a convolution's weights in whole steps of its channels' scales, as the export rounds them."""
    weights: Any = layer.weight
    with torch.no_grad():
        scale = weights.abs().flatten(1).amax(dim=1) / 127
        if variant == "cpu" and layer.groups == 1:  # no two that meet may saturate
            scale = torch.maximum(scale, _pair_scale(weights))
        scale = scale.clamp(min=SMALLEST)
        zeros = torch.zeros(len(scale), dtype=torch.int32, device=scale.device)
    return torch.fake_quantize_per_channel_affine(weights, scale, zeros, 0, -127, 127)


def symmetric(low: float, high: float) -> tuple[float, int, int, int]:
    """Return scale, zero point, lowest and highest step that hold low..high."""
    return max(abs(low), abs(high), 127 * SMALLEST) / 127, 0, -128, 127


def affine(low: float, high: float) -> tuple[float, int, int, int]:
    """Return scale, zero point, lowest and highest step that hold low..high, stretched to hold 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / 255, SMALLEST)
    return scale, min(max(round(-low / scale), 0), 255), 0, 255


def _pair_scale(weights: Tensor) -> Tensor:
    """Return the scales of ``edgessd_export.quantisation.saturation.smallest_scale``."""
    if weights.shape[1] % 2:
        return weights.abs().flatten(1).amax(dim=1) / 64
    pairs = weights.reshape(len(weights), -1, 2, *weights.shape[2:])
    sums = [part.clamp(min=0).sum(dim=2).flatten(1).amax(dim=1) for part in (pairs, -pairs)]
    return torch.maximum(*sums) / 127


def end_of(layers: Mapping[str, nn.Module], name: str) -> nn.Module | None:
    """Return the module that puts out what a layer's integers are: behind its norm and ReLU, where it is in a sequence.

    None where a function may follow; the layer behind that one rounds what it takes in.
    """
    parent, _, place = name.rpartition(".")
    sequence = layers.get(parent)
    if not isinstance(sequence, nn.Sequential):
        return layers[name] if name.startswith(HEADS) else None
    end = layers[name]
    for module in list(sequence)[int(place) + 1 :]:
        if not isinstance(module, FUSED):
            break
        end = module
    return end


def _round_input(levels: tuple[float, int, int, int], _: nn.Module, given: tuple[Tensor, ...]) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(given[0], *levels)


def _round_output(levels: tuple[float, int, int, int], _: nn.Module, __: Any, out: Tensor) -> Tensor:
    return torch.fake_quantize_per_tensor_affine(out, *levels)
