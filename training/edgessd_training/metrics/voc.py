"""PASCAL VOC's average precision, by the rules of the devkit's VOCevaldet.m.

A detection is compared with the box of its class and image that it overlaps most, difficult ones included. It is
a true positive when that overlap exceeds 0.5 and the box was not found before; a second one on the same box is
a false positive; one on a difficult box counts as neither. The devkit's code accepts an overlap of exactly 0.5,
its text and this module ask for more. Crowd boxes (COCO's) count as difficult.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet

MIN_IOU = 0.5
TRUE, FALSE, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Curve:
    """Precision over recall of one class, best score first.

    scores, recall, precision: (N,) float64; detections on difficult boxes left out. true_positives: (N,) int64,
    running count. positives: boxes to be found; where it is 0, ``voc07`` and ``voc12`` are None.
    """

    positives: int
    scores: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    voc07: float | None
    voc12: float | None


def voc_result(data: DataSet, detections: Sequence[Detections], metric: str) -> dict[str, Any]:
    """Return ``{"metric", "mAP", "per_class", ...}``; metric: voc07 or voc12.

    A class without a box to be found (none at all, or difficult ones only) has None and stays out of the mean.
    Raises DataError when that is so for all classes.
    """
    curves = voc_curves(data, detections)
    per_class = {label: getattr(curve, metric) for label, curve in curves.items()}
    counted = [value for value in per_class.values() if value is not None]
    if not counted:
        raise DataError(
            f"{data.source} has no box to be found", fix="a metric needs at least one that is not difficult"
        )
    return {
        "metric": metric,
        "mAP": float(np.mean(counted)),
        "per_class": per_class,
        "images": len(data.records),
        "boxes": sum(curve.positives for curve in curves.values()),
        "detections": sum(len(found) for found in detections),
        "iou": MIN_IOU,
    }


def voc_curves(data: DataSet, detections: Sequence[Detections]) -> dict[str, Curve]:
    """Return every label's curve. detections: one entry a record.

    Equal scores keep the order of the images, and within an image that of its detections.
    """
    verdicts = [_verdicts(record, found) for record, found in zip(data.records, detections, strict=True)]
    scores = np.concatenate([found.scores for found in detections] or [np.zeros(0, np.float32)]).astype(np.float64)
    classes = np.concatenate([found.classes for found in detections] or [np.zeros(0, np.int64)])
    places = np.concatenate(
        [np.full(len(found), index) for index, found in enumerate(detections)] or [np.zeros(0, int)]
    )
    rows = np.concatenate([np.arange(len(found)) for found in detections] or [np.zeros(0, int)])
    counted = [record.classes[~(record.difficult | record.crowd)] for record in data.records]
    positives = np.bincount(np.concatenate(counted or [np.zeros(0, np.int64)]), minlength=len(data.labels))
    curves = {}
    for index, label in enumerate(data.labels):
        own = np.flatnonzero(classes == index)
        own = own[np.argsort(-scores[own], kind="stable")]
        outcome = _outcomes(verdicts, places[own], rows[own])
        curves[label] = _curve(scores[own], outcome, int(positives[index]))
    return curves


@dataclass(frozen=True)
class _Verdict:
    """For each detection of an image: the box it overlaps most (-1: none enough), and which boxes are ignored."""

    best: NDArray[np.int64]
    ignored: NDArray[np.bool_]


def _verdicts(record: Any, found: Detections) -> _Verdict:
    ignored = record.difficult | record.crowd
    if len(found) == 0 or len(record.classes) == 0:
        return _Verdict(np.full(len(found), -1), ignored)
    overlap = iou(found.boxes_xyxy.astype(np.float64), record.boxes_xyxy.astype(np.float64))
    overlap = np.where(found.classes[:, None] == record.classes[None, :], overlap, -1.0)
    best = overlap.argmax(axis=1)
    enough = overlap[np.arange(len(best)), best] > MIN_IOU
    return _Verdict(np.where(enough, best, -1), ignored)


def _outcomes(verdicts: list[_Verdict], places: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return TRUE, FALSE or IGNORED for the detections of one class, given best first."""
    taken: set[tuple[int, int]] = set()
    outcomes = np.full(len(places), FALSE, np.int64)
    for index, (place, row) in enumerate(zip(places.tolist(), rows.tolist(), strict=True)):
        box = int(verdicts[place].best[row])
        if box < 0:
            continue
        if verdicts[place].ignored[box]:
            outcomes[index] = IGNORED
        elif (place, box) not in taken:
            taken.add((place, box))
            outcomes[index] = TRUE
    return outcomes


def _curve(scores: NDArray[np.float64], outcomes: NDArray[np.int64], positives: int) -> Curve:
    kept = outcomes != IGNORED
    hits = np.cumsum(outcomes[kept] == TRUE)
    recall = hits / max(positives, 1)
    precision = hits / np.arange(1, len(hits) + 1)
    return Curve(
        positives=positives,
        scores=scores[kept],
        true_positives=hits,
        recall=recall,
        precision=precision,
        voc07=eleven_points(hits, precision, positives) if positives else None,
        voc12=area_under(recall, precision) if positives else None,
    )


def eleven_points(hits: NDArray[np.int64], precision: NDArray[np.float64], positives: int) -> float:
    """Return VOC2007's average precision: the mean of the best precision at recall >= 0, 0.1, ..., 1.

    hits: (N,) running count of true positives. Recall is compared in whole numbers: 3 of 10 do reach 0.3.
    """
    reached = [precision[10 * hits >= tenth * positives] for tenth in range(11)]
    return sum(float(part.max(initial=0.0)) for part in reached) / 11


def area_under(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Return VOC2010's average precision: the area under the curve whose precision never rises with recall."""
    edges = np.concatenate([[0.0], recall])
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(edges) * highest))
