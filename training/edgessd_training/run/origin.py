"""What a run was made of: data hashes, versions, the commit. Kept in the run's folder and in the card."""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgessd import __version__
from edgessd.util.extras import version_of
from edgessd_training.data.records import DataSet
from edgessd_training.recipe import Recipe
from edgessd_training.recipe_file import as_table

LIBRARIES = ("lightning-fabric", "numpy", "opencv-python", "opencv-python-headless")


def origin_of(recipe: Recipe, data: DataSet, val: DataSet, start: Sequence[str]) -> dict[str, Any]:
    """Return all that a run was made of. start: what was done with the weights that it started from."""
    return {
        "recipe": as_table(recipe),
        "start": start or ["random weights"],
        "data": describe_data(data),
        "val": describe_data(val),
        "versions": versions(),
        "commit": git_commit(),
    }


def data_hash(data: DataSet) -> str:
    """Return the sha256 of labels, boxes, file names and the files' lengths; images' pixels are not read."""
    digest = hashlib.sha256("\n".join(data.labels).encode())
    for record in data.records:
        line = f"\n{record.file_name}\t{record.height}\t{record.width}\t{record.path.stat().st_size}\t"
        digest.update(line.encode())
        digest.update(np.ascontiguousarray(record.boxes_xyxy, np.float32).tobytes())
        digest.update(np.ascontiguousarray(record.classes, np.int64).tobytes())
        digest.update(np.stack([record.difficult, record.crowd]).astype(np.uint8).tobytes())
    return digest.hexdigest()


def describe_data(data: DataSet) -> dict[str, Any]:
    """Return what the card says of a data set."""
    boxes = sum(len(record.classes) for record in data.records)
    source = public_source(data.source)
    return {"source": source, "images": len(data.records), "boxes": boxes, "sha256": data_hash(data)}


def public_source(source: str) -> str:
    """Return a data set's text without the folders of this machine: voc:/home/me/cells@train is voc:cells@train."""
    kind, _, places = source.partition(":")
    return f"{kind}:{'@'.join(Path(place).name for place in places.split('@'))}"


def versions() -> dict[str, str]:
    """Return the versions of all that took part."""
    found = {"edgessd": __version__, "python": platform.python_version(), "platform": sys.platform}
    found["torch"] = str(torch.__version__)  # with its build, +cpu or +cu130, which the package index leaves out
    return found | {library: of_it for library in LIBRARIES if (of_it := version_of(library))}


def git_commit() -> str:
    """Return the commit of the source tree this runs from, with "+" when it was edited; empty outside of one."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()
