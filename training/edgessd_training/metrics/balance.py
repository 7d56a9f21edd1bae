"""One threshold for all classes: each class's scores are shifted so that 0.5 is where its F1 is best.

A focal loss leaves scores that mean something else for every class. The order within a class stays, and so does its
average precision; what changes is what a user's single threshold lets through.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet
from edgessd_training.metrics.voc import voc_curves
from edgessd_training.networks.layers import last_convolution
from edgessd_training.networks.ssd import SSD

EDGE = 0.01  # thresholds stay this far from 0 and 1, where a logit is infinite
SURE = 0.9  # precision from which a viewer agrees
LEAST_SHOWN, MOST_FOR_PRECISION = 0.5, 0.7
NEARLY_BEST = 0.99  # of the best F1: its peak is flat, and one detection more or less moves it


def best_thresholds(data: DataSet, detections: Sequence[Detections]) -> NDArray[np.float64]:
    """Return the score at the middle of each class's nearly best F1, (C,), 0.01 to 0.99; 0.5 without a box found."""
    return np.array(
        [_middle(curve.scores, curve.precision, curve.recall) for curve in voc_curves(data, detections).values()]
    )


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
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    if not len(f1) or not f1.max() > 0:
        return 0.5
    good = scores[f1 >= NEARLY_BEST * f1.max()]
    return float(np.clip((good.min() + good.max()) / 2, EDGE, 1 - EDGE))


def shift_scores(network: SSD, thresholds: NDArray[np.float64]) -> None:
    """Subtract each threshold's logit from its class's biases, in place, so that the threshold becomes 0.5.

    thresholds: (C,), above 0 and below 1. Raises InputError for softmax scores, whose classes cannot be shifted singly.
    """
    if network.activation != "sigmoid":
        raise InputError(f"scores are balanced class by class for sigmoid networks, this one has {network.activation}")
    shift = torch.from_numpy(np.log(thresholds / (1 - thresholds))).float()
    with torch.no_grad():
        for predictor in network.confidence.predictors:
            last = last_convolution(predictor)
            assert last.bias is not None  # every head has one: the prior probability of the focal loss is set there
            last.bias -= shift.repeat(len(last.bias) // len(shift))
