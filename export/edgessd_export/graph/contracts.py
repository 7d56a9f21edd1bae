"""What leaves the graph: the network wrapped so that its outputs are one of the output contracts."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgessd.errors import InputError
from edgessd.model.boxes import Variances
from edgessd.model.card import ModelCard
from edgessd.model.priors import generate
from edgessd_export.graph.operators import keep
from edgessd_training.networks.ssd import SSD, offsets_from, scores_from

KEPT = 400  # a frame's candidates above 0.3 rarely pass a hundred; 0.01 needs more in crowds only
SCORE_FLOOR = 0.01  # what end2end bakes in: the published evaluations' threshold (paper, sec. 3.1)


def card_for(card: ModelCard, contract: str, kept: int | None = None) -> ModelCard:
    """Return the card of a network exported under a contract.

    kept: K of compact and end2end; 400, or P where that is less, if None. Raises InputError for a contract
    that does not exist, a K above P, and a K given for ``raw``.
    """
    prior_count = len(card.priors)
    match contract:
        case "raw":
            if kept is not None:
                raise InputError(
                    f"the contract raw gives all {prior_count} priors, K is {kept}", fix="leave --kept out"
                )
            return card.with_changes(contract="raw", kept=None, score_floor=0.0)
        case "compact" | "end2end":
            if kept is not None and kept > prior_count:
                raise InputError(f"K is at most the number of priors, {prior_count}, got {kept}", fix="lower --kept")
            floor = SCORE_FLOOR if contract == "end2end" else 0.0
            return card.with_changes(contract=contract, kept=kept or min(KEPT, prior_count), score_floor=floor)
        case _:
            raise InputError(f"unknown contract {contract!r}", fix="choose raw, compact or end2end")


def wrap(network: SSD, card: ModelCard) -> nn.Module:
    """Return a module, (B, H, W, 3) uint8 BGR to the tensors of the card's contract."""
    match card.contract:
        case "raw":
            module: nn.Module = Raw(network)
        case "compact":
            module = Compact(network, card)
        case _:
            module = End2End(network, card)
    return module.eval()


class Raw(nn.Module):
    """Contract ``raw``: ``offsets`` (B, P, 4) and ``scores`` (B, P, C) after the activation."""

    def __init__(self, network: SSD) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        location, logits = self.network(image)
        return offsets_from(location, self.network.bins), scores_from(logits, self.network.activation)


class Compact(nn.Module):
    """Contract ``compact``: the K best (prior, class) pairs of an image, decoded, best first.

    ``boxes`` (B, K, 4) xyxy, fractions, clipped to the image; ``scores`` (B, K); ``classes`` (B, K) int32.
    A prior may appear under several classes, as it does in the threshold of ``raw``: NMS over these rows gives
    the detections of ``raw`` as long as no more than K pairs pass the threshold.
    """

    priors: Tensor

    def __init__(self, network: SSD, card: ModelCard) -> None:
        super().__init__()
        self.raw = Raw(network)
        self.kept = int(card.kept or 0)
        self.coding, self.variances = card.coding, card.variances
        self.register_buffer("priors", torch.from_numpy(generate(card.priors)), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        offsets, scores = self.raw(image)
        class_count = scores.shape[-1]
        best, pairs = scores.flatten(1).topk(self.kept, dim=1)
        rows = pairs // class_count
        corners = rows.unsqueeze(-1).expand(-1, -1, 4)
        chosen = offsets.gather(1, corners)
        boxes_xyxy = decode(chosen, functional.embedding(rows, self.priors), self.coding, self.variances)
        return boxes_xyxy.clamp(0, 1), best, (pairs - rows * class_count).int()


class End2End(nn.Module):
    """Contract ``end2end``: ``compact`` after NMS, padded with zeros to K rows, and ``count`` (B,) int32.

    The card's ``nms_iou`` and ``score_floor`` are baked in.
    """

    def __init__(self, network: SSD, card: ModelCard) -> None:
        super().__init__()
        self.compact = Compact(network, card)
        self.class_count = len(card.labels)
        self.nms_iou = card.nms_iou
        self.score_floor = card.score_floor

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        boxes_xyxy, scores, classes = self.compact(image)
        mask = keep(boxes_xyxy, scores, classes, self.class_count, self.nms_iou, self.score_floor)
        best, rows = (scores * mask).topk(scores.shape[1], dim=1)  # the kept move up, the suppressed are 0
        real = best > 0
        chosen = boxes_xyxy.gather(1, rows.unsqueeze(-1).expand(-1, -1, 4))
        return (
            chosen * real.unsqueeze(-1).to(chosen.dtype),
            best,
            classes.gather(1, rows) * real.int(),
            real.int().sum(dim=1, dtype=torch.int32),
        )


def decode(offsets: Tensor, priors_cxcywh: Tensor, coding: str, variances: Variances) -> Tensor:
    """Return the boxes that offsets mean under a coding, (..., 4) xyxy: ``boxes.decoded_xyxy`` in a graph."""
    centres, sizes = priors_cxcywh[..., :2], priors_cxcywh[..., 2:]
    if coding == "ltrb":
        return torch.cat([centres - offsets[..., :2] * sizes, centres + offsets[..., 2:] * sizes], dim=-1)
    centres = centres + offsets[..., :2] * variances.centre * sizes
    halves = sizes * torch.exp(offsets[..., 2:] * variances.size) / 2
    return torch.cat([centres - halves, centres + halves], dim=-1)
