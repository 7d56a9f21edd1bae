"""COCO's twelve figures, by faster-coco-eval (the published evaluation's rules in C++).

VOC's difficult boxes take part as crowds do: a detection on one is neither right nor wrong. Sizes (small, medium,
large) go by the annotated areas. A figure for which the data hold no box is -1, as in the published tool.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgessd.errors import DataError
from edgessd.model.boxes import area
from edgessd.model.detections import Detections
from edgessd.util.extras import need
from edgessd_training.data.records import DataSet, Record

KEYS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def coco_result(data: DataSet, detections: Sequence[Detections]) -> dict[str, Any]:
    """Return the figures under ``KEYS``, ``mAP`` (the same as AP) and every label's AP, None where it has no box.

    Raises DataError when there is no box to be found at all.
    """
    truth = coco_truth(data)
    counted = sum(not entry["iscrowd"] for entry in truth["annotations"])
    if not counted:
        raise DataError(
            f"{data.source} has no box to be found", fix="a metric needs at least one that is not difficult"
        )
    library = need("faster_coco_eval", "eval")
    known = library.COCO(truth)
    found = known.loadRes(coco_results(data, detections))
    evaluation = library.COCOeval_faster(known, found, "bbox", print_function=_quiet)
    evaluation.run()
    figures = dict(zip(KEYS, map(float, evaluation.stats[: len(KEYS)]), strict=True))
    return {
        "metric": "coco",
        "mAP": figures["AP"],
        **figures,
        "per_class": _per_class(evaluation, data.labels),
        "images": len(data.records),
        "boxes": counted,
        "detections": sum(len(found) for found in detections),
    }


def coco_truth(data: DataSet) -> dict[str, Any]:
    """Return the data set as COCO writes it; ids count from 1, in the order of COCO's own image ids and of labels."""
    annotations: list[dict[str, Any]] = []
    ids = image_ids(data)
    for image_id, record in zip(ids, data.records, strict=True):
        crowd = record.crowd | record.difficult
        for box, label, is_crowd, size in zip(
            record.boxes_xyxy.tolist(), record.classes.tolist(), crowd.tolist(), _areas(record), strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                    "area": size,
                    "iscrowd": int(is_crowd),
                }
            )
    return {
        "images": [
            {"id": index, "file_name": record.file_name, "height": record.height, "width": record.width}
            for index, record in zip(ids, data.records, strict=True)
        ],
        "annotations": annotations,
        "categories": [{"id": index, "name": label} for index, label in enumerate(data.labels, start=1)],
    }


def image_ids(data: DataSet) -> list[int]:
    """Return an id a record, in the order of COCO's own: the metric takes equal scores in the order of the ids."""
    own = [index if record.image_id is None else record.image_id for index, record in enumerate(data.records)]
    places = {index: place for place, index in enumerate(sorted(range(len(own)), key=own.__getitem__), start=1)}
    return [places[index] for index in range(len(own))]


def coco_results(data: DataSet, detections: Sequence[Detections]) -> list[dict[str, Any]]:
    """Return detections as COCO's results file has them; image and category ids as in ``coco_truth``."""
    return [
        {
            "image_id": image_id,
            "category_id": label + 1,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "score": score,
        }
        for image_id, found in zip(image_ids(data), detections, strict=True)
        for box, label, score in zip(
            found.boxes_xyxy.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True
        )
    ]


def _areas(record: Record) -> list[float]:
    own = area(record.boxes_xyxy.astype(np.float64)) if record.areas is None else record.areas
    return [float(value) for value in own]


def _per_class(evaluation: Any, labels: tuple[str, ...]) -> dict[str, float | None]:
    """Return AP by label from the precisions (thresholds, recalls, classes, areas, detection counts)."""
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    per_class: dict[str, float | None] = dict.fromkeys(labels)
    for index, category in enumerate(evaluation.params.catIds):
        values = precision[:, :, index]
        values = values[values > -1]
        per_class[labels[category - 1]] = float(values.mean()) if values.size else None
    return per_class


def _quiet(*_: object) -> None:
    """Take what the library would print."""
