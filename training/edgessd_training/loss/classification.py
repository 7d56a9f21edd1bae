"""Loss of the scores: softmax with mined hard negatives (the paper's), or sigmoid focal."""

import torch
from torch import Tensor
from torch.nn import functional


def softmax_loss(logits: Tensor, labels: Tensor, negatives_per_positive: float) -> Tensor:
    """Return the summed cross-entropy of all matched priors and the hardest backgrounds (paper, eq. 3).

    logits: (B, P, C + 1), column 0 the background. labels: (B, P) int64, 0 background, below 0 ignored.
    """
    each = functional.cross_entropy(logits.flatten(0, 1), labels.clamp(min=0).flatten(), reduction="none")
    each = each.view_as(labels)
    positive = labels > 0
    hard = mine_hard_negatives(each.detach(), labels, negatives_per_positive)
    return each[positive | hard].sum()


def mine_hard_negatives(losses: Tensor, labels: Tensor, negatives_per_positive: float) -> Tensor:
    """Return the backgrounds of highest loss, (B, P) bool, 3 a matched prior of the same image (paper, sec. 2.2).

    An image without objects has none, as in the paper's code.
    """
    count = ((labels > 0).sum(dim=1, keepdim=True) * negatives_per_positive).long()
    negative = labels == 0
    order = losses.masked_fill(~negative, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(labels.shape[1], device=labels.device).expand_as(order)
    )
    return negative & (rank < count)


def focal_loss(logits: Tensor, labels: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Return the summed sigmoid focal loss over every prior that is not ignored (Lin et al. 2017, eq. 5).

    logits: (B, P, C). alpha: weight of the class a prior has, 1 - alpha that of all others. Images without objects
    train here too.
    """
    wanted = functional.one_hot(labels.clamp(min=0), logits.shape[-1] + 1)[..., 1:].to(logits.dtype)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    probability = logits.sigmoid()
    missed = probability + wanted - 2 * probability * wanted  # 1 - p where wanted, else p
    weight = alpha * wanted + (1 - alpha) * (1 - wanted)
    each = weight * missed**gamma * entropy
    return each[labels >= 0].sum()
