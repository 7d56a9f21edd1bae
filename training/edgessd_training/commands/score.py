"""``edgessd score``: a file of detections, from whatever found them, against a data set."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edgessd_training.commands.metric_options import Data, Json, LabelMap, Metric, MetricChoice


def score(
    detections: Annotated[
        Path, typer.Argument(help='JSON list of {"file_name", "label", "bbox": x y width height, "score"}, pixels.')
    ],
    data: Data = ...,  # type: ignore[assignment]
    metric: MetricChoice = Metric.voc07,
    label_map: LabelMap = None,
    as_json: Json = None,
) -> None:
    """Measure a detections file; no image is opened, and none needs to be there (YOLO's sizes come from headers)."""
    from edgessd.util.files import writable, write_text
    from edgessd.util.overwrite import keep_apart
    from edgessd_training.data.read import read_annotations
    from edgessd_training.metrics import measure
    from edgessd_training.metrics.detections_file import from_rows, read_rows
    from edgessd_training.metrics.labels import read_label_map
    from edgessd_training.metrics.table import print_figures

    if as_json:
        writable(as_json)
    keep_apart({"--json": as_json}, [detections, data, label_map])
    mapping = read_label_map(label_map) if label_map else None
    rows = read_rows(detections)
    data_set = read_annotations(data)
    figures = measure(data_set, from_rows(data_set, rows, mapping), metric.value)
    if as_json:
        content = {**figures, "detections_file": str(detections), "data": data}
        write_text(as_json, json.dumps(content, indent=1, ensure_ascii=False))
    print_figures(figures)
