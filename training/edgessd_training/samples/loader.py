"""Batches for the loop: which samples, in which order, made by worker processes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from edgessd.errors import EdgessdError, InputError
from edgessd_training.samples.maker import Draw, SampleMaker


class Batch(NamedTuple):
    """What one process trains on at once.

    images: (B, H, W, 3) uint8 BGR. labels: (B, P) int64, 0 background, below 0 ignored. offsets: (B, P, 4) float32.
    Of a network that tells distances both hold the objects, M of the image that has most (see ``matching.Targets``).
    indices: (B,) int64, of the records. size: which of the input sizes.
    """

    images: Tensor
    labels: Tensor
    offsets: Tensor
    indices: Tensor
    size: int


class Plan(NamedTuple):
    """The order of a run: the same for any number of processes, each of which takes its share of every batch."""

    images: int
    batch_size: int
    epochs: int
    seed: int
    sizes: int = 1

    @property
    def batches_per_epoch(self) -> int:
        """Return how many whole batches an epoch has; the rest of the shuffled images waits for the next one."""
        return self.images // self.batch_size


def check_plan(plan: Plan, processes: int) -> None:
    """Raise InputError when no whole batch comes together, or it cannot be shared out evenly."""
    if plan.batches_per_epoch == 0:
        raise InputError(f"batch_size {plan.batch_size} is more than the {plan.images} images", fix="lower it")
    if plan.batch_size % processes:
        raise InputError(
            "batch_size counts the images of all processes",
            fix=(f"{plan.batch_size} cannot be shared by {processes}; make it a multiple of {processes}"),
        )


class Order:
    """A batch sampler: the draws of one process from batch ``done`` of the run to its end."""

    def __init__(self, plan: Plan, done: int, rank: int, processes: int) -> None:
        self.plan, self.done, self.rank, self.processes = plan, done, rank, processes

    def __len__(self) -> int:
        return self.plan.epochs * self.plan.batches_per_epoch - self.done

    def __iter__(self) -> Iterator[list[Draw]]:
        plan, share = self.plan, self.plan.batch_size // self.processes
        for epoch in range(self.done // plan.batches_per_epoch, plan.epochs):
            rng = np.random.default_rng([plan.seed, epoch])
            order = rng.permutation(plan.images)
            sizes = rng.integers(0, plan.sizes, plan.batches_per_epoch)
            first = max(0, self.done - epoch * plan.batches_per_epoch)
            for number in range(first, plan.batches_per_epoch):
                start = number * plan.batch_size + self.rank * share
                yield [Draw(epoch, int(index), int(sizes[number])) for index in order[start : start + share]]


class Samples(Dataset[object]):
    """The maker as torch wants it; an error travels as a value, since a worker would wrap it in its traceback."""

    def __init__(self, maker: SampleMaker) -> None:
        self.maker = maker

    def __getitem__(self, draw: Draw) -> object:
        try:
            image, targets = self.maker(draw)
        except EdgessdError as error:
            return error
        return draw, image, targets.labels, targets.offsets


def collate(samples: list[object]) -> "Batch | EdgessdError":
    """Return the samples as one batch, or the first error among them."""
    for sample in samples:
        if isinstance(sample, EdgessdError):
            return sample
    draws, images, labels, offsets = zip(*samples, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(_stacked(labels)),
        torch.from_numpy(_stacked(offsets)),
        torch.tensor([draw.record for draw in draws]),
        draws[0].size,
    )


def _stacked(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the arrays as one, the shorter ones filled up with zeros: label 0 is no object."""
    most = max(len(each) for each in rows)
    return np.stack([np.pad(each, [(0, most - len(each)), *[(0, 0)] * (each.ndim - 1)]) for each in rows])


def make_loader(maker: SampleMaker, order: Order, *, workers: int, pin_memory: bool) -> DataLoader[object]:
    """Return the loader of one process; its workers live as long as the run."""
    # Before the workers are forked: OpenCV's pool does not survive a fork, and a child that shrinks it waits for ever.
    cv2.setNumThreads(1)
    return DataLoader(
        Samples(maker),
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
    )


def batches(loader: Iterable[object]) -> Iterator[Batch]:
    """Yield the batches. Raises what a worker met, such as DataError for a broken image."""
    for batch in loader:
        if isinstance(batch, EdgessdError):
            raise batch
        assert isinstance(batch, Batch)  # what ``collate`` returns
        yield batch
