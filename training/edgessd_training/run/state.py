"""The state of a run, written whole or not at all, from which a killed run goes on to the same numbers."""

import logging
from collections.abc import Mapping
from typing import Any

from edgessd.errors import InputError
from edgessd_training.checkpoint import load_weights_file, refuse_damage, save_torch
from edgessd_training.loop.ema import replace_weights
from edgessd_training.loop.training import Progress
from edgessd_training.recipe_file import as_table
from edgessd_training.run.folder import RunFolder
from edgessd_training.run.hardware import by_torchrun
from edgessd_training.run.setup import Run

FORMAT = 1
log = logging.getLogger(__name__)


def save(run: Run) -> None:
    """Write the state of the run."""
    training = run.training
    content = {
        "edgessd_run": FORMAT,
        "network": training.network.state_dict(),
        "average": training.average,
        "optimizer": training.optimizer.state_dict(),
        "precision": training.fabric.strategy.precision.state_dict(),
        "hashes": [run.origin["data"]["sha256"], run.origin["val"]["sha256"]],
        "images": [run.origin["data"]["images"], run.origin["val"]["images"]],
        "progress": vars(training.progress),
        "recipe": _plain(as_table(run.recipe)),
    }
    save_torch(run.folder.state, content)


def resume_run(run: Run) -> None:
    """Put the run where its state says. Raises InputError when recipe or data are others, or nodes see other states.

    torchrun gives ``--resume`` from the first start on: there no state is none yet.
    """
    _load_state(run)
    training = run.training
    done, first = training.progress.done, training.fabric.broadcast(training.progress.done)
    if done != first:
        raise InputError(
            f"this process would resume after {done} batches and the first one after {first}",
            fix="put --out on a file system that all nodes share",
        )


def _load_state(run: Run) -> None:
    folder, training = run.folder, run.training
    if by_torchrun() and not folder.state.exists():
        return
    if folder.steps.exists() and not folder.state.exists():
        log.warning("%s was ended before its first save: the run begins anew", folder.path)
        return
    content = _load(folder, as_table(run.recipe))
    if content["hashes"] != [run.origin["data"]["sha256"], run.origin["val"]["sha256"]]:
        counts = [run.origin[split]["images"] for split in ("data", "val")]
        if content.get("images", counts) != counts:
            raise InputError(f"the data is not what {folder.path} was trained on", fix="give the same --data and --val")
        log.warning("the data changed since %s was last saved, its images are as many: going on", folder.path)
    training.progress = Progress(**content["progress"])
    replace_weights(training.network, content["network"])
    training.optimizer.load_state_dict(content["optimizer"])
    training.fabric.strategy.precision.load_state_dict(content["precision"])
    if training.average is not None:
        training.average = {name: value.to(training.fabric.device) for name, value in content["average"].items()}


def _load(folder: RunFolder, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of the state. Raises InputError when the run was another recipe's."""
    path = folder.state
    if not path.exists():
        raise InputError("nothing to resume", fix=f"{path} does not exist; leave --resume out to start the run")
    content = load_weights_file(path)
    if content.get("edgessd_run") != FORMAT:
        raise InputError(f"{path} is not the state of an edgessd run", fix="give the run's own folder")
    refuse_damage(path)
    changed = differing(_plain(recipe), content["recipe"])
    if changed:
        raise InputError(
            f"the recipe is not the one {folder.path} was started with ({changed[0]} differs)",
            fix="resume with the same recipe, or start a new run with start.checkpoint = its last.pt",
        )
    return content


def differing(new: Any, old: Any, prefix: str = "") -> list[str]:
    """Return the keys whose values differ; [hardware] and the workers, which change no result, may."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return [
            name
            for key in sorted({*new, *old})
            if f"{prefix}{key}" not in ("hardware", "data.workers", "data.cache", "save")
            for name in differing(new.get(key), old.get(key), f"{prefix}{key}.")
        ]
    return [] if new == old else [prefix.rstrip(".")]


def _plain(value: Any) -> Any:
    """Return the value with tuples as lists, as it comes back from TOML or a file."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
