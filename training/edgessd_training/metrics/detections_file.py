"""The DETECTIONS file: a JSON list of ``{"file_name", "label", "bbox": [x, y, w, h], "score"}``, in pixels.

What is measured passes through these rows, so that `edgessd score` on a written file repeats `edgessd eval`.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from edgessd.errors import DataError
from edgessd.model.detections import Detections
from edgessd.util.files import readable, replacing
from edgessd_training.data.records import DataSet
from edgessd_training.data.source import bounded_bytes
from edgessd_training.data.text import to_json

MAX_BYTES = 2 << 30
Row = dict[str, Any]


def to_rows(data: DataSet, detections: Sequence[Detections]) -> list[Row]:
    """Return the rows of all images, in the order of the records: pixels to 3 decimals, scores to 6."""
    return [
        {
            "file_name": record.file_name,
            "label": data.labels[index],
            "bbox": [round(value, 3) for value in (left, top, right - left, bottom - top)],
            "score": round(score, 6),
        }
        for record, found in zip(data.records, detections, strict=True)
        for index, score, (left, top, right, bottom) in zip(
            found.classes.tolist(), found.scores.tolist(), found.boxes_xyxy.tolist(), strict=True
        )
    ]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a DETECTIONS file, one row a line, whole or not at all."""
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        lines = map(to_json, rows)
        file.write("[")
        for index, line in enumerate(lines):
            file.write(",\n" if index else "\n")
            file.write(line)
        file.write("\n]\n")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a DETECTIONS file. Raises InputError, or DataError naming the first row that is none."""
    readable(path, "detections file")
    try:
        rows = json.loads(bounded_bytes(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not whole JSON ({error})", fix="write it again") from error
    if not isinstance(rows, list):
        raise DataError(f"detections are a JSON list of rows, {path} holds a {type(rows).__name__}")
    for index, row in enumerate(rows):
        complaint = _complaint(row)
        if complaint:
            raise DataError(f"row {index} of {path} {complaint}, got {json.dumps(row)[:120]}")
    return rows


def from_rows(data: DataSet, rows: Sequence[Row], label_map: Mapping[str, str] | None = None) -> list[Detections]:
    """Return the detections of each record, in the order of the rows.

    An image is found by its whole file name, or by its last part, with or without the suffix, where only one
    image has it. With a label map the rows' labels are mapped, and rows left out of it dropped. Raises DataError
    for an image or a label that the data set does not have.
    """
    images = _places(data)
    labels = {label: index for index, label in enumerate(data.labels)}
    gathered: list[list[tuple[int, Row]]] = [[] for _ in data.records]
    for row in rows:
        label = row["label"] if label_map is None else label_map.get(row["label"])
        if label_map is not None and label not in labels:
            continue
        if label not in labels:
            raise DataError(
                f"a detection has the label {label!r}, {data.source} has {', '.join(data.labels)}",
                fix="correct the names or give --label-map",
            )
        name = PurePosixPath(row["file_name"])
        place = next((images[key] for key in (row["file_name"], name.name, name.stem) if key in images), None)
        if place is None:
            raise DataError(
                f"a detection is on {row['file_name']!r}, which {data.source} does not have (its first "
                f"image is {data.records[0].file_name!r})",
                fix="give the data that were searched",
            )
        gathered[place].append((labels[label], row))
    return [_detections(own) for own in gathered]


def _places(data: DataSet) -> dict[str, int]:
    """Return the record's index by file name; by its last part and its stem too, where one record alone has it."""
    places: dict[str, int] = {}
    paths = [PurePosixPath(record.file_name) for record in data.records]
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        counts = Counter(names)
        places.update((name, index) for index, name in enumerate(names) if counts[name] == 1)
    places.update((record.file_name, index) for index, record in enumerate(data.records))
    return places


def _detections(own: list[tuple[int, Row]]) -> Detections:
    boxes_xywh = np.array([row["bbox"] for _, row in own], np.float64).reshape(-1, 4)
    boxes_xyxy = np.hstack([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]])
    scores = np.array([row["score"] for _, row in own], np.float32)
    return Detections(boxes_xyxy.astype(np.float32), scores, np.array([index for index, _ in own], np.int64))


def _complaint(row: Any) -> str | None:
    if not isinstance(row, dict):
        return "must be an object"
    if not isinstance(row.get("file_name"), str) or not isinstance(row.get("label"), str):
        return "needs the texts file_name and label"
    box, score = row.get("bbox"), row.get("score")
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return "needs bbox, four finite numbers x, y, w, h"
    if box[2] < 0 or box[3] < 0:
        return "has a bbox of negative width or height"
    if not _is_number(score):
        return "needs score, a finite number"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9  # NaN is not below
