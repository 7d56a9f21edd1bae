"""A run from labelled images alone: prepared, planned, trained, reported. `edgessd train DATA` is this."""

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edgessd.errors import InputError
from edgessd.util.files import is_folder, readable
from edgessd.util.names import file_name
from edgessd.util.progress import image_progress
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.data.faults import Fault
from edgessd_training.data.prepare import FOLDER, prepare
from edgessd_training.data.read import read_data
from edgessd_training.metrics.evaluate import evaluate
from edgessd_training.metrics.network import network_detector
from edgessd_training.pictures.plots import plot_confusion, plot_precision_recall
from edgessd_training.pictures.report import Judged, write_report
from edgessd_training.recipe import Recipe
from edgessd_training.recipe_file import as_table, read_recipe, recipe_from, recipe_path
from edgessd_training.run.folder import RunFolder, open_run, write_json
from edgessd_training.run.plan import plan, torch_threads
from edgessd_training.run.train import train

RECIPE = "transfer"
SPLITS = ("train", "val", "test", "gate")
KEYS = ("data", *SPLITS, "pictures", "recipe", "recipe_path", "threads", "told", "faults")
Say = Callable[[str], object]


def new_folder(data: str) -> Path:
    """Return runs/NAME for data of that name, with a number where a run has it."""
    name = file_name(re.split(r"[:@]", data)[1] if ":" in data else Path(data).resolve().stem)
    names = (f"{Path(name).name}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 10_000))))
    return next(path for path in (Path("runs") / name for name in names) if not path.exists())


def train_on(
    data: str, out: Path, *, recipe: str | None, changes: Sequence[str], minutes: float | None, resume: bool, say: Say
) -> RunFolder:
    """Train on images as they come and return the run's folder, its report written.

    recipe: taken as it is where given, else the one for transfer, fitted to data and machine. changes: key=value, which
    come last. resume: go on by the plan in ``out``. Raises what ``prepare`` and ``train`` do.
    """
    folder = open_run(out, resume=resume)
    if resume and folder.plan.exists():
        planned = read_plan(folder)
    elif resume:
        raise InputError("nothing to resume", fix=f"{folder.plan} does not exist; leave --resume out to start the run")
    else:
        planned = _planned(data, folder, recipe, changes, minutes, say)
        write_json(folder.plan, planned)
    chosen = recipe_from(planned["recipe"], where=str(folder.plan))
    with torch_threads(planned["threads"] or torch.get_num_threads()):
        train(chosen, planned["train"], planned["val"], out, resume=resume, folders=_folders(planned["recipe_path"]))
        say(f"wrote {report(folder, planned)}")
    return folder


def read_plan(folder: RunFolder) -> dict[str, Any]:
    """Return what a run was started with. Raises InputError for a run of `edgessd train RECIPE`, or a damaged file."""
    try:
        plan = json.loads(readable(folder.plan, "plan").read_text(encoding="utf-8"))
        return {key: plan[key] for key in KEYS}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder.plan} is no plan of a run", fix="start the run again, with another --out") from error


def _folders(recipe: str) -> tuple[Path, ...]:
    return (Path(), Path(recipe).parent)


def _planned(
    data: str, folder: RunFolder, recipe: str | None, changes: Sequence[str], minutes: float | None, say: Say
) -> dict[str, Any]:
    path = recipe_path(recipe or RECIPE)
    base = read_recipe(path, changes)  # what is wrong with it is told before the images are looked at
    with image_progress("check", None) as progress:
        prepared = prepare(data, folder.path / FOLDER, on_total=progress.expect, on_images=progress.count)
    for line in prepared.told:
        say(line)
    told, threads = list(prepared.told), 0
    if recipe is None:
        fixed = [change.partition("=")[0].strip() for change in changes]
        train_set = read_data(prepared.train)
        found = plan(base, train_set, read_data(prepared.val, train_set.labels), fixed, minutes)
        name = Path(data.rstrip("/")).stem if is_folder(Path(data)) else "transfer"
        base = read_recipe(path, [f"name={json.dumps(name)}", *found.changes, *changes])
        threads = found.threads
        say(found.told)
        told.append(found.told)
    return {
        "data": data,
        **{split: getattr(prepared, split) for split in SPLITS},
        "pictures": prepared.pictures,
        "recipe": as_table(base),
        "recipe_path": str(path),
        "threads": threads,
        "told": told,
        "faults": [asdict(fault) for fault in prepared.faults],
    }


def report(folder: RunFolder, planned: dict[str, Any]) -> Path:
    """Judge the best checkpoint on the splits that it was not trained on and write report.html."""
    checkpoint = load_checkpoint(folder.best)
    recipe: Recipe = recipe_from(planned["recipe"], where=str(folder.plan))
    judged = []
    for name, text in (("val", planned["val"]), ("test", planned["test"])):
        if text is None:
            continue
        data = read_data(text, checkpoint.card.labels)
        with network_detector(checkpoint.network, checkpoint.card) as detect:
            result = evaluate(detect, data, recipe.evaluation.metric, batch=8)
        judged.append(Judged(f"best.pt on {name}", data, result.figures, result.detections))
    plot_precision_recall(folder.path / "precision_recall.png", judged[0].data, judged[0].detections)
    plot_confusion(folder.path / "confusion.png", judged[0].data, judged[0].detections)
    faults = [Fault(**fault) for fault in planned["faults"]]
    title = f"{checkpoint.card.name}: {', '.join(checkpoint.card.labels[:5])}"
    return write_report(folder.path, title, planned["told"], faults, judged, next_commands(folder, planned))


def next_commands(folder: RunFolder, planned: dict[str, Any]) -> list[str]:
    """Return the three commands that follow a run, to paste."""
    deployed = folder.path / "deploy-cpu"
    model = str(deployed / "model.onnx")
    lines = (
        ("deploy", str(folder.path), "--for", "cpu"),
        ("eval", model, "--data", planned["test"] or planned["val"]),
        ("detect", planned["pictures"], "--model", model, "--out", str(deployed / "pictures")),
    )
    return [shlex.join(["edgessd", *line]) for line in lines]
