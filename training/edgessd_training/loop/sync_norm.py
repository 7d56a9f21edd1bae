"""Batch norm over all processes: torch's own works on GPUs alone, this one wherever processes talk."""

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from edgessd_training.networks.ssd import SSD


class SumOverProcesses(torch.autograd.Function):
    """The sum of every process's tensor; its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def sum_over_processes(tensor: Tensor) -> Tensor:
    """Return the sum of every process's tensor, with a gradient."""
    total: Tensor = SumOverProcesses.apply(tensor)  # type: ignore[no-untyped-call]  # torch gives it no types
    return total


class SyncNorm(nn.BatchNorm2d):
    """Normalises by the mean and variance of the global batch; like BatchNorm2d in evaluation."""

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().forward(maps)
        values = maps.float()
        count = values.numel() // values.shape[1] * dist.get_world_size()
        # Two passes, the mean first: the difference of squares would lose what a small variance has of digits.
        mean = sum_over_processes(values.sum((0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = sum_over_processes(centred.square().sum((0, 2, 3))) / count
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None  # ``synchronised`` exchanges norms that keep statistics
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / max(1, count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised.to(maps.dtype)


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
