"""What a run without a recipe of its own does: sizes, epochs and threads for these images on this machine."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch

from edgessd.model.card import card_of
from edgessd.model.shipped import shipped
from edgessd.util.cores import usable_cores
from edgessd_training.data.records import DataSet
from edgessd_training.loop.optimizer import freeze, set_training
from edgessd_training.networks import build
from edgessd_training.recipe import Recipe, Start
from edgessd_training.run.hardware import runs_on_cpu
from edgessd_training.run.start import matching_rows
from edgessd_training.samples.cache import scale_to
from edgessd_training.samples.from_recipe import enough_hw, make_samples, recipe_grids
from edgessd_training.samples.maker import Draw, Grid

SIZES = (336, 416, 512, 640)
LEAST_SIDE, MAY_BE_SMALLER = 12.0, 0.1  # pixels of the network's input; share of the boxes
FEW = 100  # images
MINUTES_FEW, MINUTES = 8.0, 25.0
SAMPLES, SAMPLES_AN_IMAGE = 2000, 20  # shown in a run: 60 epochs of 48 images, 30 of 200, 22 of 1,000
LEAST_EPOCHS, JUDGED = 5, 10
# Where the start knows every class it has seen far more of them than a few images show: small steps, and half of its
# weights kept, as it was fine-tuned itself. At full steps 51 images of horses lost 0.08 of its mAP on others.
KNOWN_LR, KNOWN_KEEP = 0.25, 0.5
OVERHEAD = 1.3  # matching, the optimizer's step and the average, measured over a run; what is timed is the network
JUDGING = 0.5  # of the time of a training image: forward alone, one image more at the decoder


@dataclass(frozen=True)
class Planned:
    """changes: ``key=value`` for the recipe. threads: for PyTorch. seconds: of the run. told: the sentence for it."""

    changes: tuple[str, ...]
    threads: int
    seconds: float
    told: str


def input_size(sides: np.ndarray) -> int:
    """Return the smallest size at which nine boxes in ten are 12 pixels wide and high, the largest where none does.

    sides: (M,), root of a box's area as a fraction of the image's.
    """
    for size in SIZES:
        if not len(sides) or np.mean(sides * size < LEAST_SIDE) <= MAY_BE_SMALLER:
            return size
    return SIZES[-1]


def box_sides(data: DataSet) -> np.ndarray:
    """Return the root of every box's area as a fraction of its image's, (M,) float64."""
    fractions = [
        np.sqrt(np.prod(record.boxes_xyxy[:, 2:] - record.boxes_xyxy[:, :2], axis=1) / (record.height * record.width))
        for record in data.records
    ]
    return np.concatenate(fractions) if fractions else np.zeros(0)


def plan(recipe: Recipe, data: DataSet, val: DataSet, fixed: Sequence[str], minutes: float | None) -> Planned:
    """Return what to change in a recipe, and how long it will take.

    fixed: keys that the user has set, which stay. minutes: how long it may take, 8 for fewer than 100 images and 25 for
    more where None. Trains a few batches to see what this machine does.
    """
    count = len(data.records)
    size = recipe.network["input_size"] if "network.input_size" in fixed else input_size(box_sides(data))
    batch = recipe.batch_size if "batch_size" in fixed else min(16 if count >= 400 else 8, count)
    workers = min(4, usable_cores() - 1) if "data.workers" not in fixed else recipe.data.workers
    tried = replace(
        recipe,
        network={**recipe.network, "input_size": size},
        batch_size=batch,
    )
    grids = recipe_grids(tried, len(data.labels))
    scales = [scale_to(record, enough_hw(grids)) for record in data.records]
    pixels = sum(record.height * record.width * scale**2 for record, scale in zip(data.records, scales, strict=True))
    cache = 3 * pixels < _memory_bytes() / 4
    tried = replace(tried, data=replace(recipe.data, cache=cache))
    threads, step = fastest(tried, len(data.labels))
    making = _sample_seconds(tried, data, grids)
    image = max(step * OVERHEAD, making / max(workers, 1)) if workers else step * OVERHEAD + making
    budget = 60 * (minutes or (MINUTES_FEW if count < FEW else MINUTES))
    wanted = round((SAMPLES + SAMPLES_AN_IMAGE * count) / count)
    judging = JUDGING * step * len(val.records) * JUDGED
    affordable = int((budget - judging) / (image * count))
    epochs = recipe.epochs if "epochs" in fixed else max(LEAST_EPOCHS, min(wanted, affordable))
    steps = epochs * (count // batch)
    every = max(1, epochs // JUDGED)
    changes: dict[str, object] = {
        "network.input_size": size,
        "batch_size": batch,
        "epochs": epochs,
        "data.cache": str(cache).lower(),
        "data.workers": workers,
        "schedule.warmup_steps": max(1, min(50, steps // 20)),
        "evaluation.every": every,
    }
    gentle = knows(recipe.start, data.labels)
    if gentle:
        changes |= {
            "start.keep": KNOWN_KEEP,
            "optimizer.lr": KNOWN_LR * recipe.optimizer.lr,
            "optimizer.backbone_lr": KNOWN_LR * recipe.optimizer.backbone_lr,
        }
    seconds = image * epochs * count + judging
    start = recipe.start.checkpoint or "random weights"
    if gentle:
        start += ", which knows them all"
    pace = f"{minutes_text(seconds)} at {image:.2f} s a picture"
    cut = f", cut from {wanted} by the time" if epochs < wanted and "epochs" not in fixed else ""
    told = (
        f"{count} pictures, {len(data.labels)} classes: {recipe.network['family']} at {size} pixels from "
        f"{start}, {epochs} epochs{cut} in batches of {batch}, "
        f"{threads} thread{'s' * (threads > 1)}; about {pace} on this machine"
    )
    return Planned(tuple(f"{key}={value}" for key, value in changes.items()), threads, seconds, told)


def knows(start: Start, labels: Sequence[str]) -> bool:
    """Return whether a run starts from a shipped model that has all of these labels."""
    if start.checkpoint not in shipped():
        return False
    path = shipped()[start.checkpoint]
    return len(matching_rows(labels, card_of(path).labels, start.label_map, where=str(path))) == len(labels)


def minutes_text(seconds: float) -> str:
    """Return a time as a person says it."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def fastest(recipe: Recipe, classes: int) -> tuple[int, float]:
    """Return with how many threads this machine trains fastest, and the seconds of one image then.

    On a busy machine two threads that wait for each other are slower than one.
    """
    cores = usable_cores()
    network = build({**recipe.network, "classes": classes})
    freeze(network, recipe.optimizer)
    set_training(network, recipe.optimizer)
    device = torch.device("cpu" if runs_on_cpu(recipe.hardware) else "cuda")
    network = network.to(device)
    images = torch.randint(0, 256, (recipe.batch_size, *network.input_hw, 3), dtype=torch.uint8, device=device)
    timed = {count: _step_seconds(network, images, count) for count in sorted({1, cores})}
    best = min(timed, key=lambda count: timed[count])
    return best, timed[best] / recipe.batch_size


def _step_seconds(network: torch.nn.Module, images: torch.Tensor, threads: int) -> float:
    """Return the faster of two steps forward and backward, after one to warm up."""
    with torch_threads(threads):
        times = []
        for _ in range(3):
            start = perf_counter()
            location, logits = network(images)
            (location.mean() + logits.mean()).backward()
            if images.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(perf_counter() - start)
    return min(times[1:])


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sample_seconds(recipe: Recipe, data: DataSet, grids: tuple[Grid, ...]) -> float:
    count = min(8, len(data.records))
    maker = make_samples(recipe, replace(data, records=data.records[:count]), grids)
    start = perf_counter()
    for index in range(count):
        maker(Draw(0, index))
    return (perf_counter() - start) / count


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
