"""How much a network computes."""

import torch
from torch import Tensor, nn

from edgessd_training.networks.ssd import SSD


def count_macs(network: SSD) -> int:
    """Return the multiply-accumulates of one image, convolutions and linear layers alone, by running it once."""
    total = 0

    def add(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        # Each output value is a sum over one filter, which is one row of the weights.
        total += output[0].numel() * layer.weight[0].numel()

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(add) for layer in layers]
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *network.input_hw, 3, dtype=torch.uint8))
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()
    return total
