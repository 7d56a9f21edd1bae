"""Options that ``eval`` and ``score`` share, so that they read the same."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Metric(str, Enum):
    """Which metric to compute."""

    voc07 = "voc07"
    voc12 = "voc12"
    coco = "coco"


Data = Annotated[
    str,
    typer.Option(
        metavar="DATA", help="voc:ROOT@SPLIT, coco:ANNOTATIONS.json@IMAGES or yolo:DATA.yaml@SPLIT.", show_default=False
    ),
]
MetricChoice = Annotated[
    Metric,
    typer.Option(
        metavar="METRIC", help="voc07: mean of 11 points; voc12: area under the curve; coco: AP over IoU 0.5 to 0.95."
    ),
]
LabelMap = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help='JSON, {"label found": "label in the data"}, or the name of a shipped map (coco_to_voc).',
        show_default="equal names",
    ),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.", show_default="no file")]
