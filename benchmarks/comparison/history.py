"""Runs kept in one JSON file, the newest last, and what of two runs can be compared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comparison.record import FORMAT
from edgessd.errors import InputError
from edgessd.util.files import write_text

MOST_RUNS = 50


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file, none where there is no file yet. Raises InputError for another kind of file."""
    if not path.exists():
        return []
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is no history of runs ({error}): give another file, or remove it") from error
    if not isinstance(runs, list) or any(not isinstance(run, dict) or run.get("format") != FORMAT for run in runs):
        raise InputError(f"{path} is no history of runs in format {FORMAT}: give another file, or remove it")
    return runs


def append(path: Path, run: dict[str, Any]) -> None:
    """Add a run to a history, which keeps the newest fifty."""
    runs = [*read_history(path), run][-MOST_RUNS:]
    write_text(path, json.dumps(runs, indent=1, ensure_ascii=False) + "\n")


def latest_like(runs: list[dict[str, Any]], run: dict[str, Any]) -> dict[str, Any] | None:
    """Return the newest run on the same processor with as many cores, made in the same way; None for none."""
    return next((one for one in reversed(runs) if _kind(one) == _kind(run)), None)


def _kind(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["machine"]["cpu"], run["machine"]["cores"], run["machine"].get("gpu"), run["quick"]


def both(run: dict[str, Any], before: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the entries that both runs measured, now and before."""
    earlier = {entry["name"]: entry for entry in before["entries"] if "fps" in entry}
    for entry in run["entries"]:
        if "fps" in entry and entry["name"] in earlier:
            yield entry, earlier[entry["name"]]
