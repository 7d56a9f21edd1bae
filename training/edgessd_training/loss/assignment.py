"""SimOTA: which cells answer for which object, by what the network says just now.

Ge et al. 2021, arXiv 2107.08430, sec. 2.1, with PicoDet's cost (arXiv 2111.00902, sec. 3.3).
"""

import torch
from torch import Tensor
from torch.nn import functional

UNMATCHED = -1
RADIUS = 2.5  # strides from an object's centre within which a cell may answer for it
CANDIDATES = 10  # the sum of so many of an object's best overlaps says how many cells it gets
BOX_COST = 6.0  # lambda of the paper
OUTSIDE = 1e8  # cost of a cell that lies not both in the object and near its centre


@torch.no_grad()
def assign(
    boxes_xyxy: Tensor, classes: Tensor, found_xyxy: Tensor, logits: Tensor, priors_cxcywh: Tensor
) -> tuple[Tensor, Tensor]:
    """Return for each cell the object it answers for, or UNMATCHED, and its overlap with it: (P,) int64 and (P,).

    boxes_xyxy (M, 4) and classes (M,) from 0: the objects, M may be 0. found_xyxy (P, 4), logits (P, C): what the
    network says. Every object gets one cell at least, as long as there are enough.
    """
    matched = torch.full((len(priors_cxcywh),), UNMATCHED, device=logits.device)
    if len(boxes_xyxy) == 0:
        return matched, logits.new_zeros(len(priors_cxcywh))
    overlaps = iou_matrix(boxes_xyxy, found_xyxy)
    inside, near = _places(boxes_xyxy, priors_cxcywh)
    cost = score_cost(logits, classes, overlaps) - BOX_COST * overlaps.clamp(min=1e-6).log()
    cost = cost + OUTSIDE * ~(inside & near) + OUTSIDE * ~(inside | near)
    allowed = overlaps * (inside | near)
    counts = allowed.topk(min(CANDIDATES, allowed.shape[1]), dim=1).values.sum(dim=1).int().clamp(min=1)
    rank = cost.argsort(dim=1).argsort(dim=1)
    taken = rank < counts[:, None]
    best = torch.where(taken, cost, torch.inf).argmin(dim=0)  # a cell wanted twice goes where it costs less
    positive = taken.any(dim=0)
    matched[positive] = best[positive]
    return matched, overlaps.gather(0, best[None])[0] * positive


def score_cost(logits: Tensor, classes: Tensor, overlaps: Tensor) -> Tensor:
    """Return the varifocal loss each cell would have, were it matched to each object: (M, P)."""
    empty = 0.75 * logits.sigmoid().square() * functional.softplus(logits)  # (P, C), of a class that is not there
    own = logits[:, classes].T
    there = overlaps * functional.binary_cross_entropy_with_logits(own, overlaps, reduction="none")
    return there + empty.sum(dim=1) - empty[:, classes].T


def iou_matrix(first_xyxy: Tensor, second_xyxy: Tensor) -> Tensor:
    """Return the overlap of every pair, (M, P)."""
    low = torch.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = torch.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) for boxes in (first_xyxy, second_xyxy)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clamp(min=1e-9)


def _places(boxes_xyxy: Tensor, priors_cxcywh: Tensor) -> tuple[Tensor, Tensor]:
    """Return which cells have their centre in each object, and which near its centre: (M, P) bool each."""
    centres, strides = priors_cxcywh[None, :, :2], priors_cxcywh[None, :, 2:]
    low, high = boxes_xyxy[:, None, :2], boxes_xyxy[:, None, 2:]
    inside = ((centres > low) & (centres < high)).all(dim=2)
    near = ((centres - (low + high) / 2).abs() < RADIUS * strides).all(dim=2)
    return inside, near
