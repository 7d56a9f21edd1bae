"""Loss of a network that tells distances: varifocal scores, GIoU boxes and the distributions behind them.

PicoDet's (arXiv 2111.00902, sec. 3.3): scores learn the overlap of their own box, so they rank boxes too.
"""

import torch
from torch import Tensor
from torch.nn import functional

from edgessd_training.loss.assignment import UNMATCHED, assign
from edgessd_training.loss.location import giou_losses
from edgessd_training.loss.parts import LossParts
from edgessd_training.networks.ssd import offsets_from
from edgessd_training.recipe import Loss

IGNORED = -1
BOX_WEIGHT, DISTRIBUTION_WEIGHT = 2.0, 0.25  # the paper's; the recipe's ``box_weight`` multiplies both


def distance_loss(
    location: Tensor, logits: Tensor, labels: Tensor, boxes_xyxy: Tensor, priors_cxcywh: Tensor, settings: Loss
) -> LossParts:
    """Return the summed losses of a batch, in float32 whatever the network computes in.

    location: (B, P, 4 * bins). logits: (B, P, C). labels (B, M) int64, 0 for none, below 0 ignored, and boxes_xyxy
    (B, M, 4), fractions: the objects of each image. Boxes count by how sure the network is of them, on average as one.
    """
    location, logits = location.float(), logits.float()
    bins = location.shape[-1] // 4
    found_xyxy = decode_distances(offsets_from(location, bins), priors_cxcywh)
    scores, boxes, weights, matched = [], [], [], 0
    for own, classes, objects, found, values in zip(location, labels, boxes_xyxy, found_xyxy, logits, strict=True):
        wanted, place = objects[classes > 0], classes[classes > 0] - 1
        cells, overlaps = assign(wanted, place, found, values, priors_cxcywh)
        positive = cells != UNMATCHED
        chosen = cells[positive]
        counted = positive | ~_covered(priors_cxcywh, objects[classes == IGNORED])
        quality = torch.zeros_like(values)
        quality[positive, place[chosen]] = overlaps[positive]
        scores.append(varifocal_loss(values[counted], quality[counted], settings.alpha, settings.gamma))
        matched += len(chosen)
        distances = encode_distances(wanted[chosen], priors_cxcywh[positive])
        spread = distribution_losses(own[positive], distances, bins)
        boxes.append(BOX_WEIGHT * giou_losses(found[positive], wanted[chosen]) + DISTRIBUTION_WEIGHT * spread)
        weights.append(values[positive].detach().sigmoid().amax(dim=1))
    weight = torch.cat(weights)
    mean = (weight / weight.mean().clamp(min=1e-6) * torch.cat(boxes)).sum() if len(weight) else location.sum() * 0
    count = torch.tensor(float(matched), device=logits.device)
    return LossParts(torch.stack(scores).sum(), settings.box_weight * mean, count)


def varifocal_loss(logits: Tensor, quality: Tensor, alpha: float, gamma: float) -> Tensor:
    """Return the summed varifocal loss (Zhang et al. 2021, arXiv 2008.13367, eq. 2). logits, quality: (N, C).

    quality: the overlap of the cell's box with its object at the object's class, 0 elsewhere.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    weight = torch.where(quality > 0, quality, alpha * logits.detach().sigmoid() ** gamma)
    return (weight * entropy).sum()


def distribution_losses(location: Tensor, distances: Tensor, bins: int) -> Tensor:
    """Return the distribution focal loss of every row, (N,), the mean of its sides (2006.04388, eq. 6).

    location: (N, 4 * bins). distances: (N, 4), in strides.
    """
    wanted = distances.clamp(0, bins - 1.01)
    low = wanted.floor()
    share = wanted - low
    logs = torch.unflatten(location, -1, (4, bins)).log_softmax(dim=-1)
    at_low, at_high = (logs.gather(-1, (low.long() + step)[..., None])[..., 0] for step in (0, 1))
    return -(at_low * (1 - share) + at_high * share).mean(dim=-1)


def decode_distances(offsets: Tensor, priors_cxcywh: Tensor) -> Tensor:
    """Return the boxes of offsets (..., 4), xyxy: ``boxes.decode_distances`` where a gradient is needed."""
    centres, sizes = priors_cxcywh[:, :2], priors_cxcywh[:, 2:]
    return torch.cat([centres - offsets[..., :2] * sizes, centres + offsets[..., 2:] * sizes], dim=-1)


def encode_distances(boxes_xyxy: Tensor, priors_cxcywh: Tensor) -> Tensor:
    """Return how far the sides of boxes lie from their cells' centres, (N, 4), in strides."""
    centres, sizes = priors_cxcywh[:, :2], priors_cxcywh[:, 2:]
    return torch.cat([(centres - boxes_xyxy[:, :2]) / sizes, (boxes_xyxy[:, 2:] - centres) / sizes], dim=1)


def _covered(priors_cxcywh: Tensor, regions_xyxy: Tensor) -> Tensor:
    """Return which cells have their centre in one of the regions, (P,) bool."""
    centres = priors_cxcywh[:, None, :2]
    inside = (centres > regions_xyxy[None, :, :2]) & (centres < regions_xyxy[None, :, 2:])
    return inside.all(dim=2).any(dim=1)
