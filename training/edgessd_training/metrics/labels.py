"""From a model's labels to a data set's: by name, or through a label map.

A label map is a JSON object, {"name in the model": "name in the data"}; what it leaves out or maps to null is
dropped.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.util.bounded_json import parse_json
from edgessd_training.data.records import DataSet
from edgessd_training.data.source import bounded_bytes
from edgessd_training.data.text import decode_text

MAX_MAP_BYTES = 4 << 20
DROPPED = -1


def read_label_map(name: str) -> dict[str, str]:
    """Return a label map by its shipped name or its file, nulls left out. Raises InputError."""
    shipped = {Path(entry.name).stem: entry for entry in (files("edgessd") / "model" / "label_maps").iterdir()}
    if name in shipped:
        text = shipped[name].read_text(encoding="utf-8")
    elif Path(name).is_file():
        text = decode_text(bounded_bytes(Path(name), MAX_MAP_BYTES), f"the label map {name}")
    else:
        raise InputError(
            f"no label map {name!r}", fix=f"give a JSON file or a shipped one ({', '.join(sorted(shipped))})"
        )
    try:
        content = parse_json(text)
    except InputError as error:
        raise error.within(f"the label map {name}") from None
    if not isinstance(content, dict) or not all(isinstance(value, str | None) for value in content.values()):
        raise InputError('a label map is a JSON object {"in the model"', fix=f'"in the data"}}, {name} is another')
    return {key: value for key, value in content.items() if value is not None}


def class_order(model_labels: Sequence[str], data: DataSet, label_map: Mapping[str, str] | None) -> NDArray[np.int64]:
    """Return for each of the model's classes its index among the data set's labels, or DROPPED: (C,).

    Without a map the names must be the same: a label that boxes use and the model lacks is refused. A label
    that a map leaves without a class stays in the metric, where nothing finds its boxes. Raises InputError.
    """
    place = {label: index for index, label in enumerate(data.labels)}
    used = {data.labels[index] for record in data.records for index in np.unique(record.classes)}
    if label_map is None:
        unknown = sorted(used - set(model_labels))
        if unknown:
            raise InputError(
                f"the data's labels {', '.join(unknown)} are unknown to the model, which has {_some(model_labels)}",
                fix="name the pairs with --label-map",
            )
        return np.array([place.get(label, DROPPED) for label in model_labels], np.int64)
    order = np.array([place.get(label_map.get(label, ""), DROPPED) for label in model_labels], np.int64)
    if (order == DROPPED).all():
        raise InputError(
            f"the label map joins none of the model's labels ({_some(model_labels)}) to one of the "
            f"data's ({_some(data.labels)})",
            fix="check its names and its direction",
        )
    return order


def unreached(order: NDArray[np.int64], data: DataSet) -> list[str]:
    """Return the labels that boxes use and no class of the model is mapped to."""
    used = {int(index) for record in data.records for index in record.classes}
    return [data.labels[index] for index in sorted(used - set(order.tolist()))]


def mapped(found: Detections, order: NDArray[np.int64]) -> Detections:
    """Return the detections in the data set's classes, without those of dropped ones."""
    classes = order[found.classes]
    kept = classes != DROPPED
    return Detections(found.boxes_xyxy[kept], found.scores[kept], classes[kept])


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
