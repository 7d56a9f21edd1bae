"""Figures as a table on the terminal."""

from typing import Any

from rich.table import Table

from edgessd.util.console import PlainConsole
from edgessd_training.metrics.coco import KEYS


def print_figures(figures: dict[str, Any]) -> None:
    """Print a metric's figures: one row a label, then the totals."""
    table = Table(box=None, pad_edge=False)
    table.add_column("label")
    table.add_column("AP", justify="right")
    for label, value in figures["per_class"].items():
        table.add_row(label, _text(value))
    if figures["metric"] == "coco":
        for key in KEYS:
            table.add_row(key, _text(figures[key]), style="bold")
    else:
        table.add_row(f"mAP ({figures['metric']})", _text(figures["mAP"]), style="bold")
    console = PlainConsole(soft_wrap=False)
    console.print(table)
    console.print(
        f"{figures['images']} images, {figures['boxes']} boxes to find, {figures['detections']} detections", style="dim"
    )


def _text(value: float | None) -> str:
    """Return a figure to 4 decimals; a dash where there was no box to find (COCO's -1)."""
    return "–" if value is None or value < 0 else f"{value:.4f}"
