"""From ``compact`` tensors, decoded in the graph, to detections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections
from edgessd.model.postprocess import PostProcess, check_classes, suppress

Array = NDArray[np.float32]


class CompactDecoder:
    """Thresholds K rows and suppresses overlaps: the second half of what ``RawDecoder`` does."""

    def __init__(self, card: ModelCard, settings: PostProcess) -> None:
        """Raises InputError for a class that the model does not have."""
        self._thresholds = settings.thresholds(card.labels, card.thresholds)
        self._nms_iou = settings.nms_iou or card.nms_iou
        self._settings = settings

    def __call__(self, boxes_xyxy: Array, scores: Array, classes: NDArray[Any], height: int, width: int) -> Detections:
        """Return the detections of one frame of height x width pixels.

        boxes_xyxy: (K, 4), fractions of the image. scores, classes: (K,).
        """
        check_classes(classes, len(self._thresholds))
        wanted = np.flatnonzero(~(scores < self._thresholds[classes]))
        finite = np.isfinite(scores[wanted])
        nonfinite = int(wanted.size - finite.sum())
        wanted = wanted[finite]
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
            nonfinite=nonfinite,
        )
