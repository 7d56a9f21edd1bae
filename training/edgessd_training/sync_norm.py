"""Batch norm over all processes: torch's own works on GPUs alone, this one wherever processes talk."""

import torch
from torch import Tensor, nn
from torch.distributed import nn as distributed

from edgessd_training.networks.ssd import SSD


class SyncNorm(nn.BatchNorm2d):
    """Normalises by the mean and variance of the global batch; like BatchNorm2d in evaluation."""

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().forward(maps)
        values = maps.float()
        count = values.numel() // values.shape[1]
        sums = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), values.new_tensor([float(count)])])
        sums = distributed.all_reduce(sums)  # the one with a gradient
        mean, square = sums[:-1].div(sums[-1]).chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        with torch.no_grad():
            total = sums[-1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (values * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]).to(maps.dtype)


def synchronised(network: SSD) -> SSD:
    """Return the same network with its batch norms exchanged; weights and their names stay."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                module.add_module(name, _exchanged(child))
    return network


def _exchanged(norm: nn.BatchNorm2d) -> SyncNorm:
    synced = SyncNorm(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    synced.load_state_dict(norm.state_dict())
    synced.weight, synced.bias = norm.weight, norm.bias
    return synced
