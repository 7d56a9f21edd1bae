"""An exponential moving average of the weights, which is what is judged and shipped."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def copy_weights(network: nn.Module) -> Weights:
    """Return a copy of all weights and statistics."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def update_average(average: Weights, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the network's weights, in place.

    Early steps count more, (1 + step) / (10 + step), so that the random start is forgotten.
    """
    keep = min(decay, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value.detach(), 1 - keep)
        else:
            average[name].copy_(value)


def mixed(weights: Mapping[str, Tensor], start: Mapping[str, Tensor], keep: float) -> Weights:
    """Return ``keep`` of the start weights and the rest of the trained ones.

    A fine-tuned network forgets what its few images do not show; half-way back it has both (Wortsman et al. 2022,
    arXiv 2109.01903, sec. 3). The start must be a network of the same kind, with the same classifiers.
    """
    return {
        name: torch.lerp(value, start[name].to(value), keep) if value.is_floating_point() else value
        for name, value in weights.items()
    }


def replace_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the network, in place."""
    network.load_state_dict(dict(weights))
