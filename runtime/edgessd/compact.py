"""From ``compact`` and ``end2end`` tensors, decoded in the graph, to detections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.card import ModelCard
from edgessd.detections import Detections, no_detections
from edgessd.errors import InputError
from edgessd.postprocess import PostProcess, suppress

Array = NDArray[np.float32]


class CompactDecoder:
    """Thresholds K rows and suppresses overlaps: the second half of what ``RawDecoder`` does."""

    def __init__(self, card: ModelCard, settings: PostProcess) -> None:
        """Raises InputError for a class that the model does not have."""
        self._thresholds = settings.thresholds(card.labels)
        self._nms_iou = settings.nms_iou or card.nms_iou
        self._settings = settings

    def __call__(self, boxes_xyxy: Array, scores: Array, classes: NDArray[Any], height: int, width: int) -> Detections:
        """Return the detections of one frame of height x width pixels.

        boxes_xyxy: (K, 4), fractions of the image. scores, classes: (K,).
        """
        wanted = np.flatnonzero(scores >= self._thresholds[classes])
        if wanted.size > self._settings.candidates:
            # Rows come best first, so the first of a class are its best.
            wanted = np.concatenate(
                [wanted[classes[wanted] == label][: self._settings.candidates] for label in np.unique(classes[wanted])]
            )
        return suppress(
            boxes_xyxy[wanted],
            scores[wanted],
            classes[wanted],
            self._nms_iou,
            self._settings.detections,
            height=height,
            width=width,
        )


class End2EndDecoder:
    """Takes the first ``count`` rows and thresholds them: NMS was in the graph."""

    def __init__(self, card: ModelCard, settings: PostProcess) -> None:
        """Raises InputError for settings that the graph's own NMS makes impossible."""
        self._thresholds = settings.thresholds(card.labels)
        self._most = settings.detections
        lowest = self._thresholds.min(initial=2.0)
        if lowest < np.float32(card.score_floor):  # in the thresholds' own precision: 0.01 is not below 0.01
            raise InputError(
                f"{card.name} drops scores below {card.score_floor} in its graph, the threshold {lowest:g} is lower: "
                "raise it, or export with --contract raw or compact"
            )
        if settings.nms_iou not in (None, card.nms_iou):
            raise InputError(
                f"{card.name} suppresses overlaps above {card.nms_iou} in its graph, nms_iou {settings.nms_iou} "
                "cannot be set: export with --contract raw or compact"
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
        found = int(count)
        kept = np.flatnonzero(scores[:found] >= self._thresholds[classes[:found]])[: self._most]
        if kept.size == 0:
            return no_detections()
        pixels = boxes_xyxy[kept] * np.array([width, height, width, height], np.float32)
        return Detections(pixels.astype(np.float32), scores[kept].copy(), classes[kept].astype(np.int64))
