"""The files of a run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.util.files import write_text


@dataclass(frozen=True)
class RunFolder:
    """Where everything of a run lies."""

    path: Path

    @property
    def state(self) -> Path:
        """From which --resume goes on."""
        return self.path / "state.pt"

    @property
    def best(self) -> Path:
        """The checkpoint of the best metric on the validation data."""
        return self.path / "best.pt"

    @property
    def last(self) -> Path:
        """The checkpoint of the last evaluation."""
        return self.path / "last.pt"

    @property
    def steps(self) -> Path:
        """One row a batch."""
        return self.path / "steps.csv"

    @property
    def epochs(self) -> Path:
        """One row an evaluated epoch."""
        return self.path / "epochs.csv"

    @property
    def recipe(self) -> Path:
        """The resolved recipe, data hashes, versions and commit."""
        return self.path / "run.json"

    @property
    def plan(self) -> Path:
        """What `edgessd train DATA` decided: recipe, splits and what it told."""
        return self.path / "plan.json"

    @property
    def metrics(self) -> Path:
        """The metrics of the last evaluation."""
        return self.path / "metrics.json"

    @property
    def tensorboard(self) -> Path:
        """For ``tensorboard --logdir``."""
        return self.path / "tensorboard"


def open_run(path: Path, *, resume: bool) -> RunFolder:
    """Return the folder, made if missing. Raises InputError when a run is there and shall not be resumed."""
    folder = RunFolder(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"--out {path} is a file", fix="give a folder")
    if not resume and path.is_dir() and folder.state.exists():
        raise InputError(f"{path} already holds a run", fix="continue it with --resume, or give another --out")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}", fix="choose another --out") from error
    return folder


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
