"""From the network's tensors to detections: threshold, decode the survivors, suppress overlaps per class.

Nothing is decoded that the threshold drops: of 1917 x 90 or 8732 x 20 scores a few dozen survive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import BackendError, InputError
from edgessd.model.boxes import decoded_xyxy
from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections, no_detections
from edgessd.util.suggestions import did_you_mean

Array = NDArray[np.float32]
SCORE = 0.3  # of a label for which neither the caller nor the card has a threshold
ONE_CALL = 200  # candidates; above it one NMS call a class is the faster way
BATCHED = hasattr(cv2.dnn, "NMSBoxesBatched")  # OpenCV 4.7 and newer; Ubuntu 22.04 packages an older one


@dataclass(frozen=True)
class PostProcess:
    """Settings of the suppression. ``REALTIME`` and ``EVALUATION`` are the two in use.

    score: the lowest score reported, in place of the card's thresholds; class_scores: others for single labels.
    candidates: how many of a class enter NMS, the best first (200 in published evaluations). 400 is the K that
    ``compact`` and ``end2end`` keep: up to it the three contracts say the same.
    detections: how many leave a frame. nms_iou: the card's where None.
    labels: report these alone, all where None.
    faint: boxes down to this part of their class's threshold are kept apart, for a tracker (``Detections.faint``).
    """

    score: float | None = None
    candidates: int = 400
    detections: int = 100
    nms_iou: float | None = None
    labels: tuple[str, ...] | None = None
    class_scores: Mapping[str, float] = field(default_factory=dict)
    faint: float | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a threshold outside 0..1, or where no label is left."""
        if self.labels is not None and not self.labels:
            raise InputError("no label is named, and nothing would ever be reported", fix="name one, or leave it out")
        if isinstance(self.labels, str):  # its letters would be the labels
            raise InputError(f"labels must be a tuple of names, got {self.labels!r}", fix=f"write ({self.labels!r},)")
        if self.candidates < 1 or self.detections < 1:
            raise InputError(f"candidates and detections start at 1, got {self.candidates} and {self.detections}")
        if self.faint is not None and not 0 < self.faint < 1:
            raise InputError(f"faint must lie between 0 and 1, got {self.faint}", fix="it is a part of the threshold")
        for name, value in {"score": self.score, **self.class_scores}.items():
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"the threshold {name} must lie in 0..1, got {value}", fix="scores are probabilities")
        if self.nms_iou is not None and not 0 < self.nms_iou < 1:
            raise InputError(f"nms_iou must lie between 0 and 1, got {self.nms_iou}")

    def thresholds(self, labels: Sequence[str], own: Mapping[str, float]) -> Array:
        """Return the threshold of every class, (C,) float32; 2 (never reached) for those not wanted.

        own: the card's, by label, which count where no score was set. Raises InputError for a label that the model
        does not have.
        """
        unknown = [label for label in (*(self.labels or ()), *self.class_scores) if label not in labels]
        if unknown:
            raise InputError(f"unknown class {unknown[0]!r}", fix=did_you_mean(unknown[0], labels))
        wanted = self.labels if self.labels is not None else labels
        usual = dict.fromkeys(labels, SCORE) | dict(own) if self.score is None else dict.fromkeys(labels, self.score)
        values = [self.class_scores.get(label, usual[label]) if label in wanted else 2.0 for label in labels]
        return np.array(values, np.float32)


REALTIME = PostProcess()
FAINT = 0.5  # of the threshold: from here a box can keep a track alive (docs/howto/tracking.md)
# As published: everything above 0.01, the top 200 of a class, and 200 an image (paper, sec. 3.1 and 2.3).
EVALUATION = PostProcess(score=0.01, candidates=200, detections=200)


def apart(found: Detections, thresholds: Array, most: int) -> Detections:
    """Return at most ``most`` boxes that reach their class's threshold, (C,), with the others as their ``faint``."""
    visible = found.scores >= thresholds[found.classes]
    if visible.all():
        return replace(found[:most], nonfinite=found.nonfinite, faint=no_detections())
    return replace(found[visible][:most], nonfinite=found.nonfinite, faint=found[~visible])


class RawDecoder:
    """Turns ``raw`` tensors into detections; holds the priors and thresholds, computed once."""

    def __init__(self, card: ModelCard, priors_cxcywh: Array, settings: PostProcess) -> None:
        """priors_cxcywh: (P, 4), fractions of the image."""
        self._priors_cxcywh = priors_cxcywh
        self._coding, self._variances = card.coding, card.variances
        self._thresholds = settings.thresholds(card.labels, card.thresholds)
        self._lowest = float(self._thresholds.min(initial=2.0))
        self._uniform = bool((self._thresholds == self._lowest).all())
        self._nms_iou = settings.nms_iou or card.nms_iou
        self._settings = settings

    def __call__(self, offsets: Array, scores: Array, height: int, width: int) -> Detections:
        """Return the detections of one frame of height x width pixels. offsets (P, 4), scores (P, C)."""
        flat = scores.reshape(-1)
        kept = (~(flat < self._lowest)).nonzero()[0]  # a NaN is below nothing: it becomes a candidate and is counted
        if kept.size == 0:
            return no_detections()
        rows, classes = np.divmod(kept, scores.shape[1])
        values = flat[kept]
        if not self._uniform:
            wanted = ~(values < self._thresholds[classes])
            rows, classes, values = rows[wanted], classes[wanted], values[wanted]
        nonfinite = 0
        if not isfinite(values.sum()):  # one pass: a NaN or an infinity stays one in the sum
            finite = np.isfinite(values)
            nonfinite = int(values.size - finite.sum())
            rows, classes, values = rows[finite], classes[finite], values[finite]
        if values.size > self._settings.candidates:
            best = _best_of_each_class(classes, values, self._settings.candidates)
            rows, classes, values = rows[best], classes[best], values[best]
        boxes_xyxy = decoded_xyxy(offsets[rows], self._priors_cxcywh[rows], self._coding, self._variances)
        return suppress(
            boxes_xyxy,
            values,
            classes,
            self._nms_iou,
            self._settings.detections,
            height=height,
            width=width,
            nonfinite=nonfinite,
        )


def check_classes(classes: NDArray[Any], class_count: int) -> None:
    """Raise BackendError for a class that the card has no label for; a negative one would index from the end."""
    if classes.size and not 0 <= classes.min() <= classes.max() < class_count:
        raise BackendError(
            f"the model gives class {int(classes.max())}, its card has {class_count} labels", fix="export it again"
        )


def suppress(
    boxes_xyxy: Array,
    scores: Array,
    classes: NDArray[np.int64],
    nms_iou: float,
    most: int,
    *,
    height: int,
    width: int,
    nonfinite: int = 0,
) -> Detections:
    """Return what per-class NMS leaves, best first, clipped to the frame and in its pixels.

    boxes_xyxy: (N, 4), fractions of the image. Overlaps are those of what lies inside it, as in torchvision.
    nonfinite: candidates left out before; those whose box or score is not finite are left out here and added to it.
    """
    # Every call of numpy counts here: the code of each is cold after an inference.
    finite = np.isfinite(boxes_xyxy)
    if not finite.all():
        rows = finite.all(axis=1)
        nonfinite += int(rows.size - rows.sum())
        boxes_xyxy, scores, classes = boxes_xyxy[rows], scores[rows], classes[rows]
    if scores.size == 0:
        return no_detections(nonfinite)
    boxes_xyxy = boxes_xyxy.clip(0, 1)
    boxes_xywh = boxes_xyxy.copy()
    boxes_xywh[:, 2:] -= boxes_xyxy[:, :2]
    chosen = _nms(boxes_xywh, scores, classes, nms_iou)[:most]
    pixels = boxes_xyxy[chosen] * np.array([width, height, width, height], np.float32)
    return Detections(
        pixels.astype(np.float32, copy=False), scores[chosen], classes[chosen].astype(np.int64, copy=False), nonfinite
    )


def _nms(boxes_xywh: Array, scores: Array, classes: NDArray[np.int64], nms_iou: float) -> NDArray[np.int64]:
    """Return the indices that greedy NMS within each class keeps, best first."""
    # Lists throughout: OpenCV converts them faster than small arrays.
    if BATCHED and len(scores) <= ONE_CALL:
        kept = cv2.dnn.NMSBoxesBatched(boxes_xywh.tolist(), scores.tolist(), classes.tolist(), 0.0, nms_iou)
        return np.asarray(kept, np.int64).reshape(-1)
    # That call compares across classes; of 3000 candidates in 90 classes it takes 159 ms, a call a class 3 ms.
    survivors = []
    for index in np.unique(classes):
        own = np.flatnonzero(classes == index)
        kept = cv2.dnn.NMSBoxes(boxes_xywh[own].tolist(), scores[own].tolist(), 0.0, nms_iou)
        survivors.append(own[np.asarray(kept, np.int64).reshape(-1)])
    chosen = np.concatenate(survivors)
    return np.asarray(chosen[np.argsort(-scores[chosen], kind="stable")])


def _best_of_each_class(classes: NDArray[np.int64], scores: Array, most: int) -> NDArray[np.int64]:
    """Return the indices of at most ``most`` candidates of every class, the best of each."""
    order = np.lexsort((-scores, classes))
    ordered = classes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    return np.asarray(order[rank < most])
