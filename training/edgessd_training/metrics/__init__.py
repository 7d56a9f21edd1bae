"""How good detections are: VOC's and COCO's metrics, on detections from memory or from a file. Needs no torch."""

from collections.abc import Sequence
from typing import Any

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet

METRICS = ("voc07", "voc12", "coco")


def measure(data: DataSet, detections: Sequence[Detections], metric: str) -> dict[str, Any]:
    """Return the figures of one metric as JSON values: ``metric``, ``mAP``, ``per_class`` and what they rest on.

    detections: one entry a record, classes as indices into the data set's labels, boxes in pixels of the image.
    Raises InputError for an unknown metric, DataError when no box is to be found at all.
    """
    match metric:
        case "voc07" | "voc12":
            from edgessd_training.metrics.voc import voc_result

            return voc_result(data, detections, metric)
        case "coco":
            from edgessd_training.metrics.coco import coco_result

            return coco_result(data, detections)
        case _:
            raise InputError(f"unknown metric {metric!r}", fix=f"choose one of {', '.join(METRICS)}")
