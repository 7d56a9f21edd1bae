"""Int8 weights that every x86 processor multiplies alike.

Without VNNI (AVX2, and AVX-512 before it) a processor multiplies uint8 activations by int8 weights with vpmaddubsw,
which adds two neighbouring products in 16 bits and saturates: 255 * 127 + 255 * 127 is 64,770, the most is 32,767.
Weights of two inputs that meet there therefore sum to no more than 128 steps of one sign: 255 * 128 is 32,640.
Depthwise convolutions are computed in wider integers and have no such pairs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 128


def smallest_scale(weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return for each output channel the scale with which no two weights that can meet pass the limit: (O,).

    weights: (O, I, kernel height, kernel width), not depthwise. ONNX Runtime and oneDNN lay channels out last, so
    inputs 2i and 2i + 1 meet, and both may be rounded half a step up; of an odd number (an image's three) any two may,
    so each has half of the limit.
    """
    if weights.shape[1] % 2:
        return np.asarray(np.abs(weights).reshape(len(weights), -1).max(axis=1) / (MOST // 2))
    return np.asarray(_sums(weights).reshape(2, len(weights), -1).max(axis=(0, 2)) / (MOST - 1))


def held_below(steps: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the steps, (O, I, height, width), with the larger of two that pass the limit together brought down to it.

    Scales are made for the limit; what rounding adds to a sum (GPTQ moves weights) is a step or two.
    """
    if steps.shape[1] % 2:
        return steps.clip(-MOST // 2, MOST // 2)
    pairs = _pairs(steps.astype(np.int16))
    excess = (_sums(steps.astype(np.int16)) - MOST).clip(min=0)
    first_is_larger = np.abs(pairs[:, :, 0]) >= np.abs(pairs[:, :, 1])
    for place, larger in ((0, first_is_larger), (1, ~first_is_larger)):
        pairs[:, :, place] -= np.where(larger, excess[0] - excess[1], 0)
    return pairs.reshape(steps.shape).astype(np.int8)


def _pairs(weights: NDArray[Any]) -> NDArray[Any]:
    outputs, inputs, *kernel = weights.shape
    return weights.reshape(outputs, inputs // 2, 2, *kernel)


def _sums(weights: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of positive and of negative parts of every pair: (2, O, I / 2, height, width)."""
    pairs = _pairs(weights)
    return np.stack([pairs.clip(min=0).sum(axis=2), (-pairs).clip(min=0).sum(axis=2)])
