"""Both losses, summed and divided by the number of matched priors (paper, eq. 1)."""

import torch
from torch import Tensor

from edgessd.model.boxes import Variances
from edgessd_training.loss.classification import focal_loss, softmax_loss
from edgessd_training.loss.location import ciou_loss, decode, giou_loss, smooth_l1_loss
from edgessd_training.loss.parts import LossParts
from edgessd_training.recipe import Loss


def multibox_loss(
    offsets: Tensor,
    logits: Tensor,
    labels: Tensor,
    wanted_offsets: Tensor,
    priors_cxcywh: Tensor,
    variances: Variances,
    settings: Loss,
) -> LossParts:
    """Return the summed losses of a batch, in float32 whatever the network computes in.

    offsets, wanted_offsets: (B, P, 4). logits: (B, P, C + 1) for softmax, (B, P, C) for focal. labels: (B, P) int64.
    The box loss counts matched priors alone; with none it is a zero that still has a gradient.
    """
    offsets, logits = offsets.float(), logits.float()
    positive = labels > 0
    found, wanted = offsets[positive], wanted_offsets[positive]
    priors = priors_cxcywh.expand(len(labels), -1, -1)[positive]
    match settings.boxes:
        case "giou":
            boxes = giou_loss(decode(found, priors, variances), decode(wanted, priors, variances))
        case "ciou":
            boxes = ciou_loss(decode(found, priors, variances), decode(wanted, priors, variances))
        case _:
            boxes = smooth_l1_loss(found, wanted)
    match settings.scores:
        case "focal":
            scores = focal_loss(logits, labels, alpha=settings.alpha, gamma=settings.gamma)
        case _:
            scores = softmax_loss(logits, labels, settings.negatives_per_positive)
    return LossParts(scores, settings.box_weight * boxes, positive.sum().to(torch.float32))
