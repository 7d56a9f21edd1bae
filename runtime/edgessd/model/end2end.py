"""From ``end2end`` tensors, decoded and suppressed in the graph, to detections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections, no_detections
from edgessd.model.postprocess import PostProcess, check_classes

Array = NDArray[np.float32]


class End2EndDecoder:
    """Takes the first ``count`` rows and thresholds them: NMS was in the graph."""

    def __init__(self, card: ModelCard, settings: PostProcess) -> None:
        """Raises InputError for settings that the graph's own NMS makes impossible."""
        self._thresholds = settings.thresholds(card.labels, card.thresholds)
        self._most = settings.detections
        lowest = self._thresholds.min(initial=2.0)
        if lowest < np.float32(card.score_floor):  # in the thresholds' own precision: 0.01 is not below 0.01
            raise InputError(
                f"{card.name} drops scores below {card.score_floor} in its graph, the threshold {lowest:g} is lower",
                fix="raise it, or export with --contract raw or compact",
            )
        if settings.nms_iou not in (None, card.nms_iou):
            raise InputError(
                f"{card.name} suppresses overlaps above {card.nms_iou} in its graph, nms_iou "
                f"{settings.nms_iou} cannot be set",
                fix="export with --contract raw or compact",
            )

    def __call__(
        self,
        boxes_xyxy: Array,
        scores: Array,
        classes: NDArray[Any],
        count: NDArray[Any],
        height: int,
        width: int,
    ) -> Detections:
        """Return the detections of one frame. boxes_xyxy: (K, 4), fractions; scores, classes: (K,); count: ()."""
        found = min(max(int(count), 0), len(scores))
        check_classes(classes[:found], len(self._thresholds))
        kept = np.flatnonzero(~(scores[:found] < self._thresholds[classes[:found]]))
        finite = np.isfinite(scores[kept]) & np.isfinite(boxes_xyxy[kept]).all(axis=1)
        nonfinite = int(kept.size - finite.sum())
        kept = kept[finite][: self._most]
        if kept.size == 0:
            return no_detections(nonfinite)
        pixels = boxes_xyxy[kept] * np.array([width, height, width, height], np.float32)
        return Detections(pixels.astype(np.float32), scores[kept].copy(), classes[kept].astype(np.int64), nonfinite)
