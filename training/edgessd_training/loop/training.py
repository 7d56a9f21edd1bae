"""The training loop: it is the algorithm, five hops a batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from edgessd.model.boxes import Variances
from edgessd_training.loop.ema import Weights, update_average
from edgessd_training.loop.optimizer import set_rate, set_training
from edgessd_training.loop.schedule import rate_factor
from edgessd_training.loss import LossParts, distance_loss, multibox_loss
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Recipe
from edgessd_training.samples.loader import Batch, Plan


class Row(NamedTuple):
    """What is logged of one batch: numbers over all processes. seconds: since the batch before."""

    batch: int
    epoch: int
    loss: float
    score_loss: float
    box_loss: float
    matched: int
    lr: float
    seconds: float
    waited: float


@dataclass
class Progress:
    """Where the run stands. done: batches trained on since its start. best: the best metric so far, -1 for none."""

    done: int = 0
    best: float = -1.0
    best_epoch: int = -1


@dataclass
class Training:
    """What a run moves. ``network`` is the plain one, ``trained`` the same as Fabric wraps it.

    priors_cxcywh: (P, 4) for every input size, on the device. average: the EMA, None without one. start: the weights
    it began with, None where the recipe keeps nothing of them.
    """

    fabric: Fabric
    recipe: Recipe
    plan: Plan
    network: SSD
    trained: Any  # Fabric's wrapper, a class that it keeps private
    optimizer: torch.optim.Optimizer
    priors_cxcywh: list[Tensor]
    variances: Variances
    average: Weights | None
    start: Weights | None
    progress: Progress = field(default_factory=Progress)

    @property
    def steps(self) -> int:
        """Return how many steps the optimizer makes in the whole run."""
        return self.plan.epochs * self.plan.batches_per_epoch // self.recipe.optimizer.accumulate


OnNonFinite = Callable[[Batch, int], None]


def train_batches(training: Training, batches: Iterator[Batch], on_nonfinite: OnNonFinite) -> Iterator[Row]:
    """Train on every batch and yield its row, once ``training.progress`` counts it.

    on_nonfinite: called with the batch and its number where the loss is not finite; it raises.
    """
    fabric, recipe = training.fabric, training.recipe
    accumulate = recipe.optimizer.accumulate
    set_training(training.network, recipe.optimizer)
    before = monotonic()
    for batch in batches:
        waited = monotonic() - before
        number = training.progress.done
        torch.manual_seed(_seed(recipe.seed, number, fabric.global_rank))
        step, last_of_step = number // accumulate, (number + 1) % accumulate == 0
        rate = set_rate(training.optimizer, rate_factor(step, training.steps, recipe.schedule))
        with fabric.no_backward_sync(training.trained, enabled=not last_of_step):
            parts = loss_of(training, batch)
            loss, totals = over_processes(fabric, parts)
            if not torch.isfinite(totals[0]):
                on_nonfinite(batch, number)
            fabric.backward(loss / accumulate)
        if last_of_step:
            update(training, step)
        training.progress.done += 1
        now = monotonic()
        mean, scores, boxes, matched = totals.tolist()
        epoch = number // training.plan.batches_per_epoch
        yield Row(number, epoch, mean, scores, boxes, int(matched), rate, now - before, waited)
        before = monotonic()  # what the caller did with the row, such as judging an epoch, is not the batch's time


def loss_of(training: Training, batch: Batch) -> LossParts:
    """Return the summed losses of one process's batch."""
    location, logits = training.trained(batch.images)
    if training.network.bins:
        priors = training.priors_cxcywh[batch.size]
        return distance_loss(location, logits, batch.labels, batch.offsets, priors, training.recipe.loss)
    return multibox_loss(
        location,
        logits,
        batch.labels,
        batch.offsets,
        training.priors_cxcywh[batch.size],
        training.variances,
        training.recipe.loss,
    )


def over_processes(fabric: Fabric, parts: LossParts) -> tuple[Tensor, Tensor]:
    """Return the loss to go backward from, and (loss, scores, boxes, matched) over all processes.

    The paper divides by the matched priors of the whole batch (eq. 1), so their number is summed over the processes;
    the gradients are averaged over them afterwards, hence the factor.
    """
    own = torch.stack([parts.scores, parts.boxes, parts.matched]).detach()
    sums = fabric.all_reduce(own, reduce_op="sum")
    assert isinstance(sums, Tensor)  # a tensor for a tensor
    matched = sums[2].clamp(min=1)
    totals = torch.stack([(sums[0] + sums[1]) / matched, sums[0] / matched, sums[1] / matched, sums[2]])
    return parts.over(matched) * fabric.world_size, totals


def update(training: Training, step: int) -> None:
    """Move the weights by the gradients gathered, and their average after them."""
    settings = training.recipe.optimizer
    if settings.clip_norm:
        training.fabric.clip_gradients(
            training.trained, training.optimizer, max_norm=settings.clip_norm, error_if_nonfinite=False
        )
    training.optimizer.step()
    training.optimizer.zero_grad()
    if training.average is not None:
        update_average(training.average, training.network, settings.ema, step)


def _seed(seed: int, batch: int, rank: int) -> int:
    """Return the seed of one batch: dropout is then a function of the position, with no state to save."""
    return (seed * 1_000_003 + batch * 4099 + rank) % 2**63
