"""A whole run, as it goes: train an epoch, save, judge what would be shipped, save again."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from edgessd_training.data.read import read_data
from edgessd_training.loop.training import train_batches
from edgessd_training.pictures.plots import plot_run
from edgessd_training.recipe import Recipe
from edgessd_training.run.folder import RunFolder, open_run, write_json
from edgessd_training.run.hardware import make_fabric
from edgessd_training.run.judge import judge
from edgessd_training.run.log import RunLog, run_log
from edgessd_training.run.nonfinite import stop_run
from edgessd_training.run.setup import Run, loader_of, look_at, set_up
from edgessd_training.run.state import resume_run, save
from edgessd_training.samples.loader import batches

logger = logging.getLogger(__name__)


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
    if resume:
        resume_run(run)
    fit(run)
    return folder


def fit(run: Run) -> None:
    """Train to the end of the recipe from where the run stands. The first process alone logs, judges and saves."""
    training, recipe, plan, progress = run.training, run.recipe, run.training.plan, run.training.progress
    save_every = recipe.save.every_steps * recipe.optimizer.accumulate
    stop = partial(stop_run, training, run.data.records, run.folder.path)
    rows = train_batches(training, batches(loader_of(run)), stop)
    with run_log(run.folder, plan, progress.done, enabled=training.fabric.is_global_zero) as log:
        begun, rest = divmod(progress.done, plan.batches_per_epoch)
        if log:
            write_json(run.folder.recipe, run.origin)
            if begun and not rest and is_judged(recipe, begun - 1) and (lost := log.unjudged(progress.done - 1)):
                judge_and_log(run, log, begun - 1, lost)
                save(run)
        for epoch in range(begun, plan.epochs):
            losses = []
            for row in islice(rows, (epoch + 1) * plan.batches_per_epoch - progress.done):
                losses.append(row.loss)
                if log:
                    log.batch(row)
                    if save_every and progress.done % save_every == 0:
                        save(run)
            if log:
                save(run)  # before it is judged: what fails there must not lose the epoch
                if is_judged(recipe, epoch):
                    judge_and_log(run, log, epoch, losses)
            training.fabric.barrier()
            if log:
                save(run)


def is_judged(recipe: Recipe, epoch: int) -> bool:
    """Return whether an epoch, counted from 0, is evaluated."""
    return (epoch + 1) % recipe.evaluation.every == 0 or epoch + 1 == recipe.epochs


def judge_and_log(run: Run, log: RunLog, epoch: int, losses: Sequence[float]) -> None:
    """Evaluate an epoch, log it, draw the run so far."""
    verdict = judge(run, epoch)
    log.epoch(epoch, losses, verdict, run.training.progress)
    with as_warning("plots"):
        plot_run(run.folder.path, log.steps.rows(), log.epochs.rows(), run.val, verdict.detections)


@contextmanager
def as_warning(what: str) -> Iterator[None]:
    """Turn what goes wrong with something nice to have into a warning."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - matplotlib raises whatever a font or a label makes it
        logger.warning("no %s: %s: %s", what, type(error).__name__, error)
