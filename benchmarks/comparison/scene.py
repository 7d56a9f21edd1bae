"""A realistic scene for networks with random weights: what their post-processing gets in place of noise.

Random weights answer nothing or everything above the threshold, and NMS then costs nothing or the most. Eight
objects with eight good candidates each and a tail of weak ones is what a street gives a trained network.
"""

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou

OBJECTS = 8
STRONG, WEAK = 8, 16  # candidates of an object above and below 0.3
SEED = 2016


def scene_scores(boxes_xyxy: NDArray[np.floating], classes: int) -> NDArray[np.float32]:
    """Return scores (P, C), rows summing to less than 1; boxes_xyxy: (P, 4), all in one unit, where each prior lies.

    64 scores of eight classes lie in 0.3..0.95, 128 in 0.02..0.3, the others near 0.
    """
    random = np.random.RandomState(SEED)
    scores = random.exponential(0.05 / classes, (len(boxes_xyxy), classes)).clip(0, 0.02 / classes)
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    usable = np.flatnonzero(sides.min(axis=1) > 0)
    centres = usable[random.choice(len(usable), OBJECTS, replace=len(usable) < OBJECTS)]
    overlaps = iou(boxes_xyxy[centres].astype(np.float32), boxes_xyxy.astype(np.float32))  # (8, P)
    values = np.concatenate([np.linspace(0.95, 0.31, STRONG), np.linspace(0.29, 0.02, WEAK)])
    for number, overlap in enumerate(overlaps):
        nearest = np.argsort(-overlap)[: len(values)]
        scores[nearest] *= 0.1
        scores[nearest, number * 7 % classes] = values[: len(nearest)]
    return (scores / np.maximum(scores.sum(axis=1, keepdims=True) / 0.99, 1)).astype(np.float32)


def softmax_logits(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits (P, C + 1), the background first, whose softmax are the scores (P, C)."""
    background = 1 - scores.sum(axis=1, keepdims=True)
    return np.log(np.hstack([background, scores]).clip(1e-9)).astype(np.float32)


def sigmoid_logits(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits whose sigmoid are the scores."""
    clipped = scores.clip(1e-9, 1 - 1e-6)
    return np.log(clipped / (1 - clipped)).astype(np.float32)
