"""One acceptance report of a model on a machine: report.json, and the same as report.md and report.png."""

import json
from pathlib import Path
from typing import Any

import cv2

from edgessd.bench.acceptance.markdown import as_markdown
from edgessd.bench.acceptance.measuring import accept
from edgessd.bench.acceptance.picture import draw_report
from edgessd.util.files import make_folder, replacing, write_text

__all__ = ["accept", "as_markdown", "draw_report", "write_report"]


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write the three files, each whole or not at all. Raises InputError for a place that cannot be written."""
    make_folder(folder)
    _, encoded = cv2.imencode(".png", draw_report(report))
    with replacing(folder / "report.png") as unfinished:
        unfinished.write_bytes(encoded.tobytes())
    write_text(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "report.md", as_markdown(report))
