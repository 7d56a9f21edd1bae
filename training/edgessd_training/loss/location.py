"""Loss of the boxes: smooth L1 of the offsets (the paper's), or GIoU and CIoU of the decoded boxes."""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from edgessd.model.boxes import Variances

EPSILON = 1e-7


def smooth_l1_loss(offsets: Tensor, wanted: Tensor) -> Tensor:
    """Return the summed smooth L1 of (N, 4) offsets (paper, eq. 2)."""
    return functional.smooth_l1_loss(offsets, wanted, reduction="sum")


def decode(offsets: Tensor, priors_cxcywh: Tensor, variances: Variances) -> Tensor:
    """Return the boxes that offsets mean, (N, 4) xyxy: ``edgessd.model.boxes.decode`` where a gradient is needed.

    Sizes are held below 2**20 of their prior's, so that an untrained network gives no infinity.
    """
    centre = priors_cxcywh[:, :2] + offsets[:, :2] * variances.centre * priors_cxcywh[:, 2:]
    half = priors_cxcywh[:, 2:] * (offsets[:, 2:] * variances.size).clamp(max=14).exp() / 2
    return torch.cat([centre - half, centre + half], dim=1)


def giou_loss(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """Return the summed 1 - GIoU of (N, 4) boxes."""
    return giou_losses(boxes_xyxy, wanted_xyxy).sum()


def giou_losses(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """Return 1 - GIoU of every pair of (N, 4) boxes, (N,) (Rezatofighi et al. 2019, arXiv 1902.09630)."""
    overlap, union = _overlap_union(boxes_xyxy, wanted_xyxy)
    hull_wh = _hull_wh(boxes_xyxy, wanted_xyxy)
    hull = hull_wh[:, 0] * hull_wh[:, 1] + EPSILON
    return 1 - overlap / union + (hull - union) / hull


def ciou_loss(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """Return the summed 1 - CIoU of (N, 4) boxes (Zheng et al. 2019, arXiv 1911.08287)."""
    overlap, union = _overlap_union(boxes_xyxy, wanted_xyxy)
    iou = overlap / union
    between = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:] - wanted_xyxy[:, :2] - wanted_xyxy[:, 2:]) / 2
    distance = between.square().sum(dim=1) / (_hull_wh(boxes_xyxy, wanted_xyxy).square().sum(dim=1) + EPSILON)
    size, wanted_size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], wanted_xyxy[:, 2:] - wanted_xyxy[:, :2]
    angle = torch.atan2(wanted_size[:, 0], wanted_size[:, 1]) - torch.atan2(size[:, 0], size[:, 1])
    shape = 4 / pi**2 * angle.square()
    with torch.no_grad():  # a weight, not a term: the authors stop its gradient
        trade_off = shape / (1 - iou + shape + EPSILON)
    return (1 - iou + distance + trade_off * shape).sum()


def _overlap_union(first_xyxy: Tensor, second_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(first_xyxy[:, :2], second_xyxy[:, :2])
    high = torch.minimum(first_xyxy[:, 2:], second_xyxy[:, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=1)
    first, second = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (first_xyxy, second_xyxy))
    return overlap, first + second - overlap + EPSILON


def _hull_wh(first_xyxy: Tensor, second_xyxy: Tensor) -> Tensor:
    low = torch.minimum(first_xyxy[:, :2], second_xyxy[:, :2])
    return torch.maximum(first_xyxy[:, 2:], second_xyxy[:, 2:]) - low
