from math import log
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision_peer import torchvision_detection

from edgessd.model.boxes import Variances, cxcywh_to_xyxy, decode
from edgessd.model.priors import generate
from edgessd_training.loss import multibox_loss
from edgessd_training.loss.classification import focal_loss, mine_hard_negatives, softmax_loss
from edgessd_training.loss.location import ciou_loss, giou_loss
from edgessd_training.loss.location import decode as decode_torch
from edgessd_training.networks.prior_layouts import ssd300_spec
from edgessd_training.recipe import Loss
from edgessd_training.samples.matching import priors_of, targets

VARIANCES = Variances()
PRIORS = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])


def loss_of(offsets, logits, labels, wanted, settings, priors=PRIORS):
    parts = multibox_loss(offsets, logits, labels, wanted, priors, VARIANCES, settings)
    return parts.over(parts.matched)


def test_hard_negatives_three_a_positive_of_the_same_image():
    losses = torch.tensor([[9.0, 1.0, 5.0, 4.0, 3.0, 2.0], [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]])
    labels = torch.tensor([[1, 0, 0, -1, 0, 0], [0, 0, 0, 0, 0, 0]])
    chosen = mine_hard_negatives(losses, labels, 3)
    assert chosen.tolist() == [[False, False, True, False, True, True], [False] * 6]


def test_softmax_by_hand():
    logits = torch.zeros(1, 5, 3)  # every prior answers a third for everything
    labels = torch.tensor([[1, 0, 0, 0, 0]])
    assert softmax_loss(logits, labels, 3).item() == pytest.approx(4 * log(3))


def test_focal_by_hand():
    logits = torch.zeros(1, 2, 2)
    labels = torch.tensor([[1, -1]])  # the second is ignored
    expected = 0.75 * 0.25 * log(2) + 0.25 * 0.25 * log(2)
    assert focal_loss(logits, labels, alpha=0.75, gamma=2).item() == pytest.approx(expected)


def test_smooth_l1_by_hand():
    offsets = torch.tensor([[[0.5, 0.0, 3.0, 0.0], [9.0, 9.0, 9.0, 9.0]]])
    logits = torch.full((1, 2, 2), 0.0)
    logits[0, 0, 1] = 100.0
    logits[0, 1, 0] = 100.0
    value = loss_of(offsets, logits, torch.tensor([[1, 0]]), torch.zeros(1, 2, 4), Loss())
    assert value.item() == pytest.approx(0.5 * 0.25 + 2.5)


@pytest.mark.parametrize("boxes", ["smooth_l1", "giou", "ciou"])
@pytest.mark.parametrize("scores", ["softmax", "focal"])
def test_batch_without_objects_has_a_finite_gradient(boxes, scores):
    offsets = torch.zeros(2, 2, 4, requires_grad=True)
    logits = torch.randn(2, 2, 3, requires_grad=True)
    labels = torch.zeros(2, 2, dtype=torch.int64)
    value = loss_of(offsets, logits, labels, torch.zeros(2, 2, 4), Loss(scores=scores, boxes=boxes))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(offsets.grad).all()
    assert torch.isfinite(logits.grad).all()


def test_giou_and_ciou_by_hand():
    left, right = torch.tensor([[0.0, 0.0, 1.0, 2.0]]), torch.tensor([[1.0, 0.0, 2.0, 2.0]])
    assert giou_loss(left, left).item() == pytest.approx(0, abs=1e-5)
    assert ciou_loss(left, left).item() == pytest.approx(0, abs=1e-5)
    assert giou_loss(left, right).item() == pytest.approx(1, abs=1e-5)  # they touch: the hull is filled
    assert ciou_loss(left, right).item() == pytest.approx(1 + 1 / 8, abs=1e-5)  # centres 1 apart, hull 2 x 2


def test_box_losses_equal_torchvision():
    torchvision_detection()
    from torchvision.ops import complete_box_iou_loss, generalized_box_iou_loss

    generator = torch.Generator().manual_seed(3)
    low = torch.rand(50, 2, generator=generator)
    first = torch.cat([low, low + 0.1 + torch.rand(50, 2, generator=generator)], dim=1)
    second = first + 0.1 * torch.rand(50, 4, generator=generator)
    assert giou_loss(first, second).item() == pytest.approx(
        generalized_box_iou_loss(first, second, reduction="sum").item(), abs=1e-4
    )
    assert ciou_loss(first, second).item() == pytest.approx(
        complete_box_iou_loss(first, second, reduction="sum").item(), abs=1e-4
    )


def test_decoding_in_torch_equals_numpy():
    offsets = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    own = cxcywh_to_xyxy(decode(offsets, PRIORS.numpy(), VARIANCES))
    assert np.abs(own - decode_torch(torch.tensor(offsets), PRIORS, VARIANCES).numpy()).max() < 1e-6


def random_batch(seed: int):
    """Two images, the second without objects, on the paper's 8732 priors, 4 classes."""
    rng = np.random.default_rng(seed)
    priors = priors_of(generate(ssd300_spec()), VARIANCES)
    low = rng.uniform(0, 0.6, (6, 2))
    boxes_xyxy = np.hstack([low, low + rng.uniform(0.1, 0.4, (6, 2))]).astype(np.float32)
    classes = rng.integers(0, 4, 6)
    full = targets(boxes_xyxy, classes, priors, threshold=0.5)
    empty = targets(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), priors, threshold=0.5)
    labels = torch.from_numpy(np.stack([full.labels, empty.labels]))
    wanted = torch.from_numpy(np.stack([full.offsets, empty.offsets]))
    offsets = torch.from_numpy(rng.normal(size=(2, 8732, 4)).astype(np.float32))
    logits = torch.from_numpy(rng.normal(size=(2, 8732, 5)).astype(np.float32))
    return priors, boxes_xyxy, classes, labels, wanted, offsets, logits


@pytest.mark.parametrize("seed", [0, 1])
def test_multibox_loss_equals_torchvision(seed):
    """From the same boxes and the same outputs: torchvision matches, encodes, mines and sums by its own code."""
    detection = torchvision_detection()
    priors, boxes_xyxy, classes, labels, wanted, offsets, logits = random_batch(seed)
    from torchvision.models.detection._utils import BoxCoder, SSDMatcher
    from torchvision.ops import box_iou

    # all that its method reads of the model, with its own defaults
    peer = SimpleNamespace(box_coder=BoxCoder(weights=(10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3)
    side = 300.0
    anchors = [torch.tensor(priors.xyxy * side)] * 2
    boxes = [{"boxes": torch.tensor(boxes_xyxy * side), "labels": torch.tensor(classes + 1)}]
    boxes.append({"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)})
    outputs = {"bbox_regression": offsets, "cls_logits": logits}
    matched = [
        SSDMatcher(0.5)(box_iou(boxes[0]["boxes"], anchors[0])),
        torch.full((8732,), -1, dtype=torch.int64),
    ]
    expected = detection.ssd.SSD.compute_loss(peer, boxes, outputs, anchors, matched)
    own = multibox_loss(offsets, logits, labels, wanted, torch.tensor(priors.cxcywh), VARIANCES, Loss())
    assert (own.boxes / own.matched).item() == pytest.approx(expected["bbox_regression"].item(), rel=1e-5)
    assert (own.scores / own.matched).item() == pytest.approx(expected["classification"].item(), rel=1e-5)
