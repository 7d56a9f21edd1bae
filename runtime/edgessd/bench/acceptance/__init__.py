"""One acceptance report of a model on a machine: report.json, and the same as report.md."""

import json
from pathlib import Path
from typing import Any

from edgessd.bench.acceptance.markdown import as_markdown
from edgessd.bench.acceptance.measuring import accept
from edgessd.util.files import make_folder, write_text

__all__ = ["accept", "as_markdown", "write_report"]


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write both files, each whole or not at all. Raises InputError for a place that cannot be written."""
    make_folder(folder)
    write_text(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "report.md", as_markdown(report))
