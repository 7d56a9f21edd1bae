"""Which prior answers for which object, and what it should say (paper, sec. 2.2, "Matching strategy")."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import Variances, area, cxcywh_to_xyxy, encode, iou, xyxy_to_cxcywh

UNMATCHED = -1
BACKGROUND = 0
IGNORED = -1  # a prior's label: neither an object nor background, it has no part in the loss
IGNORE = -1  # a box's class: a crowd, or what else is not trained on


@dataclass(frozen=True)
class Priors:
    """The priors in both forms, computed once a process: (P, 4) float32, fractions of the image."""

    cxcywh: NDArray[np.float32]
    xyxy: NDArray[np.float32]
    variances: Variances
    coding: str = "cxcywh"


def priors_of(priors_cxcywh: NDArray[np.float32], variances: Variances, coding: str = "cxcywh") -> Priors:
    """Return the priors ready for matching."""
    return Priors(priors_cxcywh, cxcywh_to_xyxy(priors_cxcywh), variances, coding)


@dataclass(frozen=True)
class Targets:
    """What the network should answer for one image.

    labels: (P,) int64, 0 background, 1..C the class, IGNORED. offsets: (P, 4) float32, zeros where not matched.
    Under the coding ``ltrb`` the loss does the matching, by what the network says: labels (M,) and offsets (M, 4) are
    then the objects and their boxes, xyxy.
    """

    labels: NDArray[np.int64]
    offsets: NDArray[np.float32]


def match(overlaps: NDArray[np.floating], threshold: float) -> NDArray[np.int64]:
    """Return for each prior the index of its ground-truth box, or UNMATCHED: (P,) int64.

    overlaps: IoU (M, P), in 0..1; M may be 0. A prior takes the box it overlaps most, if by more than the threshold;
    then every box gets a prior of its own, however low the overlap.
    """
    matched = np.full(overlaps.shape[1], UNMATCHED, np.int64)
    if len(overlaps) == 0:
        return matched
    best = overlaps.argmax(axis=0)
    above = overlaps.max(axis=0) > threshold
    matched[above] = best[above]
    box_indices, prior_indices = _best_priors(overlaps)
    matched[prior_indices] = box_indices
    return matched


def _best_priors(overlaps: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs (box, prior), no prior twice, the highest overlap first, as MultiBox's bipartite matching.

    Boxes beyond the number of priors stay without.
    """
    count = min(overlaps.shape)
    nearest = overlaps.argmax(axis=1)
    heights = overlaps.max(axis=1).astype(np.float64)
    taken = np.zeros(overlaps.shape[1], bool)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        box = int(heights.argmax())
        prior = int(nearest[box])
        if taken[prior]:  # lost to a box that overlaps it more: take the best of what is left
            free = np.where(taken, -1.0, overlaps[box])
            nearest[box], heights[box] = free.argmax(), free.max()
            continue
        taken[prior] = True
        heights[box] = -np.inf
        pairs.append((box, prior))
    box_indices, prior_indices = np.array(pairs, np.int64).T
    return box_indices, prior_indices


def targets(
    boxes_xyxy: NDArray[np.float32], classes: NDArray[np.int64], priors: Priors, *, threshold: float
) -> Targets:
    """Return what every prior should answer. boxes_xyxy: (M, 4), fractions of the image, with an area.

    classes: (M,) from 0, or IGNORE; priors that lie by more than half in an IGNORE box, and match nothing, are ignored.
    """
    ignore = classes == IGNORE
    if priors.coding == "ltrb":
        return Targets(np.where(ignore, IGNORED, classes + 1).astype(np.int64), boxes_xyxy.astype(np.float32))
    crowds_xyxy, objects_xyxy, objects = boxes_xyxy[ignore], boxes_xyxy[~ignore], classes[~ignore]
    labels = np.full(len(priors.cxcywh), BACKGROUND, np.int64)
    offsets = np.zeros((len(priors.cxcywh), 4), np.float32)
    if len(crowds_xyxy):
        labels[_share_inside(priors.xyxy, crowds_xyxy).max(axis=1) > 0.5] = IGNORED
    if len(objects_xyxy):
        matched = match(iou(objects_xyxy, priors.xyxy), threshold)
        positive = matched != UNMATCHED
        labels[positive] = objects[matched[positive]] + 1
        answers_cxcywh = xyxy_to_cxcywh(objects_xyxy)[matched[positive]]
        offsets[positive] = encode(answers_cxcywh, priors.cxcywh[positive], priors.variances)
    return Targets(labels, offsets)


def _share_inside(boxes_xyxy: NDArray[np.float32], regions_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much of each box lies in each region, (P, N), 0..1."""
    low = np.maximum(boxes_xyxy[:, None, :2], regions_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], regions_xyxy[None, :, 2:])
    size = np.maximum(high - low, 0)
    return np.asarray(size[..., 0] * size[..., 1] / np.maximum(area(boxes_xyxy)[:, None], 1e-12), np.float32)
