"""The state of a run, written whole or not at all, from which a killed run goes on to the same numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgessd.errors import InputError
from edgessd.util.files import replacing
from edgessd_training.checkpoint import load_weights_file

FORMAT = 1


@dataclass
class Progress:
    """Where the run stands. done: batches trained on since its start. best: the best metric so far, -1 for none."""

    done: int = 0
    best: float = -1.0
    best_epoch: int = -1


def save_state(path: Path, tensors: Mapping[str, Any], progress: Progress, recipe: Mapping[str, Any]) -> None:
    """Write the state. tensors: state dictionaries by name."""
    content = {"edgessd_run": FORMAT, **tensors, "progress": vars(progress), "recipe": _plain(recipe)}
    with replacing(path) as unfinished:
        torch.save(content, unfinished)


def load_state(path: Path, recipe: Mapping[str, Any]) -> tuple[dict[str, Any], Progress]:
    """Return the tensors and the progress. Raises InputError when the run was another recipe's."""
    if not path.exists():
        raise InputError("nothing to resume", fix=f"{path} does not exist; leave --resume out to start the run")
    content = load_weights_file(path)
    if content.get("edgessd_run") != FORMAT:
        raise InputError(f"{path} is not the state of an edgessd run", fix="give the run's own folder")
    changed = differing(_plain(recipe), content["recipe"])
    if changed:
        raise InputError(
            f"the recipe is not the one {path.parent} was started with ({changed[0]} differs)",
            fix=("resume with the same recipe, or start a new run with start.checkpoint = its last.pt"),
        )
    return content, Progress(**content["progress"])


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
