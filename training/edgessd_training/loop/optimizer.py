"""What moves and how: frozen layers, groups of weights with their rates, the optimizer."""

from collections.abc import Iterator

import torch
from torch import nn

from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Optimizer

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.GroupNorm)


def frozen_modules(network: SSD, settings: Optimizer) -> Iterator[nn.Module]:
    """Yield the layers that stay: all batch norms if asked, and the backbone's first convolutions with their norms."""
    count = 0
    for module in network.backbone.modules():
        count += isinstance(module, nn.Conv2d)
        if count > settings.freeze_convolutions:
            break
        if count and isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            yield module
    if settings.freeze_bn:
        yield from (module for module in network.modules() if isinstance(module, nn.BatchNorm2d))


def freeze(network: SSD, settings: Optimizer) -> None:
    """Take the frozen layers' weights out of training."""
    for module in frozen_modules(network, settings):
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)


def set_training(network: SSD, settings: Optimizer) -> None:
    """Put the network into training mode, its frozen layers into evaluation mode."""
    network.train()
    for module in frozen_modules(network, settings):
        module.eval()


def make_optimizer(network: SSD, settings: Optimizer) -> torch.optim.Optimizer:
    """Return the optimizer; every group keeps its ``base_lr``, which the schedule multiplies."""
    groups = [group for group in _groups(network, settings) if group["params"]]
    match settings.kind:
        case "adamw":
            return torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
        case _:
            return torch.optim.SGD(
                groups, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
            )


def _groups(network: SSD, settings: Optimizer) -> Iterator[dict[str, object]]:
    backbone = {id(parameter) for parameter in network.backbone.parameters()}
    rates = ((True, settings.backbone_lr or settings.lr), (False, settings.lr))
    for in_backbone, rate in rates:
        own = [p for p in network.parameters() if p.requires_grad and (id(p) in backbone) == in_backbone]
        vectors = [parameter for parameter in own if settings.no_decay and parameter.ndim <= 1]
        spared = {id(parameter) for parameter in vectors}
        yield {"params": [p for p in own if id(p) not in spared], "lr": rate, "base_lr": rate}
        yield {"params": vectors, "lr": rate, "base_lr": rate, "weight_decay": 0.0}


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set every group's rate to its own times the factor; return the highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    return max(float(group["lr"]) for group in optimizer.param_groups)
