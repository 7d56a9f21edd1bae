"""From which score on a detection is worth showing: one threshold a class, for the card.

A focal loss leaves scores that mean something else for every class.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet
from edgessd_training.metrics.voc import voc_curves

EDGE = 0.01  # thresholds stay this far from 0 and 1
SURE = 0.9  # precision from which a viewer agrees
LEAST_SHOWN, MOST_FOR_PRECISION = 0.5, 0.7
NEARLY_BEST = 0.99  # of the best F1: its peak is flat, and one detection more or less moves it


def shown_thresholds(data: DataSet, detections: Sequence[Detections]) -> dict[str, float]:
    """Return by label from which score on a detection is worth showing, for the card; 0.5 to 0.99.

    Where F1 is best, or higher, up to 0.7, where precision reaches 0.9: a viewer sees a wrong box sooner than a gap.
    """
    thresholds = {}
    for label, curve in voc_curves(data, detections).items():
        precise = curve.scores[curve.precision >= SURE]
        wanted = min(float(precise.min()) if len(precise) else MOST_FOR_PRECISION, MOST_FOR_PRECISION)
        middle = _middle(curve.scores, curve.precision, curve.recall)
        thresholds[label] = round(max(middle, wanted, LEAST_SHOWN), 3)
    return thresholds


def _middle(scores: NDArray[np.float64], precision: NDArray[np.float64], recall: NDArray[np.float64]) -> float:
    """Return the score at the middle of the nearly best F1, 0.01 to 0.99; 0.5 without a box found."""
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    if not len(f1) or not f1.max() > 0:
        return 0.5
    good = scores[f1 >= NEARLY_BEST * f1.max()]
    return float(np.clip((good.min() + good.max()) / 2, EDGE, 1 - EDGE))
