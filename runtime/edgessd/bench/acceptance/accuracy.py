"""The accuracy of an acceptance report: what ``edgessd eval --json`` wrote of a model file of the same name."""

import json
import re
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.model.shipped import shipped
from edgessd.util.files import readable

MOST_BYTES = 16 << 20
KEPT = ("metric", "mAP", "AP", "AP50", "AP75", "images", "boxes", "data")


def read_accuracy(path: Path, model: Path) -> dict[str, Any]:
    """Return the figures of a file of ``edgessd eval --json``. model: the file that the report is about.

    Raises InputError for another model's figures, and for a file that is none.
    """
    readable(path, "a file of `edgessd eval --json`")
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= MOST_BYTES else None
    except ValueError:  # both of JSON and of its encoding
        content = None
    again = f"run `edgessd eval {model.name} --data DATA --json {path.name}`"
    if not isinstance(content, dict) or not isinstance(content.get("metric"), str) or not _has_figure(content):
        raise InputError(f"{path} holds no figures of `edgessd eval`", fix=again)
    known = shipped()
    measured = str(content.get("model", ""))
    name = known[measured].name if measured in known else Path(measured).name
    if name != model.name:
        raise InputError(f"{path} holds the accuracy of {name or 'no named model'}, not of {model.name}", fix=again)
    kept = {key: content[key] for key in KEPT if key in content}
    # The folders of this machine are nobody else's business: voc:/home/me/VOC2007@test is told as voc:VOC2007@test.
    return kept | ({"data": re.sub(r"[^:@]*/", "", str(kept["data"]))} if "data" in kept else {})


def _has_figure(content: dict[str, Any]) -> bool:
    value = content.get("mAP", content.get("AP"))
    return isinstance(value, float | int) and abs(value) <= 1


def headline(accuracy: dict[str, Any]) -> tuple[str, float]:
    """Return the metric's name and its first figure."""
    key = "mAP" if "mAP" in accuracy else "AP"
    return f"{key} ({accuracy['metric']})", float(accuracy[key])
