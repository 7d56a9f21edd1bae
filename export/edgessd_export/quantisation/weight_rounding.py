"""Rounding of int8 weights by what a layer puts out: each weight's error is made good by those not yet rounded.

GPTQ (Frantar et al. 2022, arXiv 2210.17323), for 1x1 convolutions: there a MobileNet has most of its weights, and
sums over hundreds of inputs in which plain rounding errors add up. What error is left on average goes into the bias
(Nagel et al. 2019, arXiv 1906.04721, sec. 4.2): above all that of depthwise convolutions, whose nine weights have
nobody to make theirs good.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAMPING = 0.01  # of the mean diagonal, added to it; the paper's value, with which rare inputs stay invertible
PLACES = 1024  # of one image that enter the second moments


class Moments(NamedTuple):
    """What calibration images put into a layer: mean (I,), and second moments (I, I) for 1x1 convolutions alone.

    size_hw: of the maps.
    """

    mean: NDArray[np.float64]
    second: NDArray[np.float64] | None
    size_hw: tuple[int, int]


def second_moments(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean of x xᵀ over the places of feature maps (B, C, H, W): (C, C)."""
    rows = np.moveaxis(maps, 1, -1).reshape(-1, maps.shape[1])
    rows = rows[:: max(1, len(rows) // PLACES)].astype(np.float64)
    return np.asarray(rows.T @ rows / len(rows))


def nearest(weights: NDArray[np.floating], scale: NDArray[np.floating]) -> NDArray[np.int8]:
    """Return weights (O, ...) in whole steps of each output channel's scale (O,)."""
    steps = scale.astype(np.float32).reshape(-1, *[1] * (weights.ndim - 1))
    return np.asarray(np.rint(weights / steps).clip(-127, 127), np.int8)


def compensated(
    weights: NDArray[np.floating], scale: NDArray[np.floating], moments: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Return weights (O, I) in whole steps of scale (O,), input by input, the strongest first (paper, alg. 1).

    moments: (I, I), see ``second_moments``. An error e of input i costs least when the inputs j behind it move by
    e U[i, j] / U[i, i], where Uᵀ U is the inverse of the moments.
    """
    order = np.argsort(-moments.diagonal(), kind="stable")
    damped = moments[np.ix_(order, order)] + np.eye(len(order)) * (DAMPING * moments.diagonal().mean() + 1e-12)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    left = weights.astype(np.float64)[:, order]
    steps = np.empty(left.shape, np.int8)
    step = scale.astype(np.float64)
    for place in range(left.shape[1]):
        steps[:, place] = nearest(left[:, place], step)
        error = (left[:, place] - steps[:, place] * step) / upper[place, place]
        left[:, place + 1 :] -= np.outer(error, upper[place, place + 1 :])
    return steps[:, np.argsort(order)]


def bias_shift(
    error: NDArray[np.floating], mean: NDArray[np.floating], inside: NDArray[np.floating], *, depthwise: bool
) -> NDArray[np.floating]:
    """Return what to add to the bias, (O,), for an error of the weights: its mean output over the calibration images.

    error: (O, I, kernel height, kernel width), weights less their rounded form. mean: (I,), of depthwise ones (O,).
    inside: (kernel height, kernel width), the share of outputs at which a tap lies inside the map: padding puts in 0.
    """
    taps = (error * inside).sum(axis=(2, 3))
    return np.asarray(taps[:, 0] * mean if depthwise else taps @ mean)
