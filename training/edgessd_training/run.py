"""A whole run: set up, train, judge after the epochs, save, go on after a kill."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from lightning_fabric import Fabric

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.util.cores import usable_cores
from edgessd_training.checkpoint import save_checkpoint
from edgessd_training.data.images import read_image
from edgessd_training.data.progress import image_progress
from edgessd_training.data.read import read_data
from edgessd_training.data.records import DataSet
from edgessd_training.ema import copy_weights, mixed, replace_weights
from edgessd_training.hardware import check_layout, make_fabric
from edgessd_training.loader import Order, Plan, batches, check_plan, make_loader
from edgessd_training.loop import Row, Training, train_batches
from edgessd_training.metrics.evaluate import evaluate
from edgessd_training.metrics.network import network_detector
from edgessd_training.networks import build
from edgessd_training.nonfinite import stop_run
from edgessd_training.optimizer import freeze, make_optimizer
from edgessd_training.origin import describe_data, git_commit, public_source, versions
from edgessd_training.plots import plot_run
from edgessd_training.recipe import Recipe
from edgessd_training.recipe_file import as_table
from edgessd_training.run_folder import EPOCHS, STEPS, RunFolder, open_run, write_json
from edgessd_training.run_state import Progress, load_state, save_state
from edgessd_training.sample_setup import make_samples, recipe_grids, recipe_networks
from edgessd_training.samples import SampleMaker
from edgessd_training.start import start_network
from edgessd_training.sync_norm import synchronised
from edgessd_training.training_log import Bar, Table, tensorboard, training_bar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """All that the parts of one run share. origin: what the card says of the training."""

    recipe: Recipe
    data: DataSet
    val: DataSet
    folder: RunFolder
    description: Mapping[str, Any]
    origin: Mapping[str, Any]
    training: Training
    maker: SampleMaker


def train(recipe: Recipe, data: str, val: str, out: Path, *, resume: bool, folders: Sequence[Path]) -> RunFolder:
    """Train a network by a recipe on one split, judge it on another, and return the folder with all it left.

    folders: where the recipe's relative paths are looked for. Raises InputError before any work for what cannot be
    used, TrainingError when the loss stops being finite.
    """
    folder = open_run(out, resume=resume)
    fabric = make_fabric(recipe.hardware)
    train_set = read_data(data)
    val_set = read_data(val, train_set.labels)
    look_at(train_set, val_set)
    run = set_up(recipe, train_set, val_set, folder, fabric, folders)
    if resume and folder.steps.exists() and not folder.state.exists():
        log.warning("%s was ended before its first save: the run begins anew", folder.path)
    elif resume:
        load(run)
    fit(run)
    return folder


def look_at(data: DataSet, val: DataSet) -> None:
    """Raise InputError or DataError for what would end the run later: no boxes, or an image that cannot be decoded."""
    for split in (data, val):
        if not any((~record.difficult & ~record.crowd).any() for record in split.records):
            raise InputError(
                f"{split.source} has {len(split.records)} images and no box to learn from or to be found",
                fix="see its labels in `edgessd data check`; boxes that are difficult or crowds do not count",
            )
    paths = list(dict.fromkeys(record.path for split in (data, val) for record in split.records))
    with image_progress("look at the images", len(paths)) as progress, ThreadPoolExecutor(usable_cores()) as pool:
        for _ in pool.map(read_image, paths):
            progress.count(1)


def set_up(
    recipe: Recipe, data: DataSet, val: DataSet, folder: RunFolder, fabric: Fabric, folders: Sequence[Path]
) -> Run:
    """Return the run at its first batch."""
    if not data.labels:
        raise InputError(f"{data.source} has no labelled box", fix="there is nothing to learn")
    sizes = recipe.augment.multi_scale or (recipe.network.get("input_size"),)
    plan = Plan(len(data.records), recipe.batch_size, recipe.epochs, recipe.seed, len(sizes))
    check_plan(plan, fabric.world_size)
    network, variances, notes = start_network(recipe, data.labels, folders)
    norms = any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    if norms and plan.batch_size == fabric.world_size and not recipe.optimizer.freeze_bn:
        raise InputError(
            "batch norm needs at least two images a process", fix="raise batch_size, or set optimizer.freeze_bn"
        )
    check_layout(recipe, fabric.device, recipe_networks(recipe, len(data.labels)))
    freeze(network, recipe.optimizer)
    if recipe.hardware.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's lack it
    if recipe.hardware.sync_bn and fabric.world_size > 1:
        network = synchronised(network)
    average = copy_weights(network.to(fabric.device)) if recipe.optimizer.ema else None
    start = copy_weights(network) if recipe.start.keep else None
    trained, optimizer = fabric.setup(network, make_optimizer(network, recipe.optimizer))
    description = {**recipe.network, "classes": len(data.labels)}
    grids = recipe_grids(recipe, len(data.labels), variances)
    maker = make_samples(recipe, data, grids)
    origin = {
        "recipe": as_table(recipe),
        "start": notes or ["random weights"],
        "data": describe_data(data),
        "val": describe_data(val),
        "versions": versions(),
        "commit": git_commit(),
    }
    priors = [torch.from_numpy(grid.priors.cxcywh).to(fabric.device) for grid in grids]
    training = Training(fabric, recipe, plan, network, trained, optimizer, priors, variances, average, start)
    return Run(recipe, data, val, folder, description, origin, training, maker)


def fit(run: Run) -> None:
    """Train to the end of the recipe from where the run stands."""
    training, recipe, folder = run.training, run.recipe, run.folder
    fabric, plan, progress = training.fabric, training.plan, training.progress
    first = fabric.is_global_zero
    order = Order(plan, progress.done, fabric.global_rank, fabric.world_size)
    loader = make_loader(run.maker, order, workers=recipe.data.workers, pin_memory=fabric.device.type == "cuda")
    stream = batches(fabric.setup_dataloaders(loader, use_distributed_sampler=False))
    with ExitStack() as stack:
        bar = stack.enter_context(training_bar(len(order) + progress.done, progress.done, shown=first))
        writer = stack.enter_context(tensorboard(folder.tensorboard, progress.done, enabled=first))
        tables = open_tables(folder, progress) if first else None
        if first:
            write_json(folder.recipe, run.origin)
        rows = train_batches(training, stream, partial(stop_run, training, run.data.records, folder.path))
        for epoch in range(progress.done // plan.batches_per_epoch, plan.epochs):
            rest = (epoch + 1) * plan.batches_per_epoch - progress.done
            losses = train_epoch(run, islice(rows, rest), bar, writer, tables)
            if first:
                save(run)  # before it is judged: what fails there must not lose the epoch
            judged = (epoch + 1) % recipe.evaluation.every == 0 or epoch + 1 == plan.epochs
            if judged and first:
                judge(run, epoch, losses, bar, writer, tables)
            fabric.barrier()
            if first:
                save(run)


def train_epoch(run: Run, rows: Iterator[Row], bar: Bar, writer: Any, tables: Any) -> list[float]:
    """Train on the rest of an epoch and return its losses; log every batch, save every so many steps."""
    training, save_every = run.training, run.recipe.save.every_steps * run.recipe.optimizer.accumulate
    losses = []
    for row in rows:
        losses.append(row.loss)
        if not training.fabric.is_global_zero:
            continue
        tables[0].append(row._asdict())
        rate = run.recipe.batch_size / row.seconds
        bar.advance(f"epoch {row.epoch + 1}, loss {row.loss:.3f}, {rate:.1f} img/s")
        for name in ("loss", "score_loss", "box_loss", "lr"):
            writer.add_scalar(f"train/{name}", getattr(row, name), row.batch)
        if save_every and training.progress.done % save_every == 0:
            save(run)
    return losses


def judge(run: Run, epoch: int, losses: Sequence[float], bar: Bar, writer: Any, tables: Any) -> None:
    """Measure what would be shipped on the validation data, keep it if it is the best, write figures and plots."""
    training, progress, started = run.training, run.training.progress, monotonic()
    network = build(run.description)
    weights = training.average or training.network.state_dict()
    if training.start is not None:
        weights = mixed(weights, training.start, run.recipe.start.keep)
    network.load_state_dict(weights)
    network = network.to(training.fabric.device)
    card = make_card(run, network, {})
    with network_detector(network, card) as detect:
        result = evaluate(detect, run.val, run.recipe.evaluation.metric, batch=8)
    value = float(result.figures["AP" if run.recipe.evaluation.metric == "coco" else "mAP"])
    metrics = {run.recipe.evaluation.metric: result.figures, "data": public_source(run.val.source)}
    card = make_card(run, network, metrics)
    save_checkpoint(run.folder.last, network, run.description, card)
    if value > progress.best:
        progress.best, progress.best_epoch = value, epoch + 1
        save_checkpoint(run.folder.best, network, run.description, card)
    write_json(run.folder.metrics, result.figures)
    mean = sum(losses) / max(1, len(losses))
    row = {"epoch": epoch + 1, "batch": progress.done - 1, "loss": mean, "metric": run.recipe.evaluation.metric,
           "value": value, "seconds": monotonic() - started}  # fmt: skip
    tables[1].append(row)
    writer.add_scalar(f"val/{run.recipe.evaluation.metric}", value, progress.done)
    with told("plots"):
        plot_run(run.folder, tables[0], tables[1], run.val, result)
    bar.say(
        f"epoch {epoch + 1}/{run.recipe.epochs}: loss {mean:.3f}, {run.recipe.evaluation.metric} {value:.4f} "
        f"(best {progress.best:.4f} in epoch {progress.best_epoch})"
    )


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what goes wrong with something nice to have into a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - matplotlib raises whatever a font or a label makes it
        log.warning("no %s: %s: %s", what, type(error).__name__, error)


def make_card(run: Run, network: Any, metrics: Mapping[str, Any]) -> ModelCard:
    """Return the card of what is trained."""
    height, width = network.input_hw
    return ModelCard(
        name=run.recipe.name,
        labels=run.data.labels,
        height=height,
        width=width,
        priors=network.priors,
        activation=network.activation,
        coding=network.coding,
        variances=run.training.variances,
        nms_iou=run.recipe.evaluation.nms_iou,
        origin=run.recipe.origin,
        license=run.recipe.license,
        training={**run.origin, "batches": run.training.progress.done},
        metrics=metrics,
    )


def open_tables(folder: RunFolder, progress: Progress) -> tuple[Table, Table]:
    """Return the tables of batches and of epochs, cut back to where the run stands."""
    tables = Table(folder.steps, STEPS), Table(folder.epochs, EPOCHS)
    for table in tables:
        table.keep_below("batch", progress.done)
    return tables


def save(run: Run) -> None:
    """Write the state of the run."""
    training = run.training
    tensors = {
        "network": training.network.state_dict(),
        "average": training.average,
        "optimizer": training.optimizer.state_dict(),
        "precision": training.fabric.strategy.precision.state_dict(),
        "hashes": [run.origin["data"]["sha256"], run.origin["val"]["sha256"]],
        "images": [run.origin["data"]["images"], run.origin["val"]["images"]],
    }
    save_state(run.folder.state, tensors, training.progress, as_table(run.recipe))


def load(run: Run) -> None:
    """Put the run where its state says. Raises InputError when recipe or data are others."""
    training = run.training
    content, training.progress = load_state(run.folder.state, as_table(run.recipe))
    if content["hashes"] != [run.origin["data"]["sha256"], run.origin["val"]["sha256"]]:
        counts = [run.origin[split]["images"] for split in ("data", "val")]
        if content.get("images", counts) != counts:
            raise InputError(
                f"the data is not what {run.folder.path} was trained on", fix="give the same --data and --val"
            )
        log.warning("the data changed since %s was last saved, its images are as many: going on", run.folder.path)
    replace_weights(training.network, content["network"])
    training.optimizer.load_state_dict(content["optimizer"])
    training.fabric.strategy.precision.load_state_dict(content["precision"])
    if training.average is not None:
        training.average = {name: value.to(training.fabric.device) for name, value in content["average"].items()}
