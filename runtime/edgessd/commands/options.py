"""Options that several verbs share, so that they read the same everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edgessd.backends import NAMES

# Typer reads these annotations at run time, on Python 3.10 too.
Model = Annotated[str, typer.Option("--model", "-m", help="A model file, or the name of a shipped model.")]
Backend = Annotated[str, typer.Option(help=f"{', '.join(NAMES)}; `edgessd info` explains auto.")]
Score = Annotated[
    float | None,
    typer.Option(help="Lowest score reported, 0 to 1; the model's own thresholds where left out.", show_default=False),
]
Classes = Annotated[str | None, typer.Option(help="Report these labels only, comma-separated.", show_default="all")]
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, max=1024, help="Frames in work at once.", show_default="the cores; 1 live"),
]
GpuResize = Annotated[
    bool, typer.Option("--gpu-resize", help="Resize single frames on the GPU; the backend tensorrt alone can.")
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.", show_default="no file")]


def split_labels(text: str | None, labels: Sequence[str] = ()) -> tuple[str, ...] | None:
    """Return the labels of a comma-separated list; None stays None.

    labels: the model's, some of which may hold commas themselves: of those that fit at a place the longest is taken.
    """
    if text is None:
        return None
    found, rest = [], text.strip()
    while rest:
        known = [label for label in labels if rest == label or rest.startswith((f"{label},", f"{label} ,"))]
        label = max(known, key=len) if known else rest.partition(",")[0]
        found.append(label.strip())
        rest = rest[len(label) :].strip().removeprefix(",").strip()
    return tuple(filter(None, found))
