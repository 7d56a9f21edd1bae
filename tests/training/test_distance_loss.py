"""The loss of networks that tell distances: which cells answer, and what they learn."""

import numpy as np
import pytest
import torch

from edgessd.model.priors import generate
from edgessd_training.loss.assignment import UNMATCHED, assign
from edgessd_training.loss.distances import distance_loss, distribution_losses, encode_distances, varifocal_loss
from edgessd_training.networks.prior_layouts import cells_spec
from edgessd_training.recipe import Loss
from edgessd_training.samples.loader import collate
from edgessd_training.samples.maker import Draw
from edgessd_training.samples.matching import IGNORE, IGNORED, Targets, priors_of, targets

BINS, CLASSES = 8, 3
SETTINGS = Loss(scores="varifocal", alpha=0.75)
# 64 x 32 pixels, cells of 8 and of 16: 32 + 8 of them
PRIORS = torch.from_numpy(generate(cells_spec(32, 64, [(4, 8), (2, 4)], (8, 16))))


def answers(distances: torch.Tensor, sure: float = 6.0) -> torch.Tensor:
    """Return logits, (P, 32), whose distributions have these whole numbers of strides as their means."""
    one = torch.nn.functional.one_hot(distances.long(), BINS) * 2 * sure - sure
    return one.flatten(1).float()


def test_an_object_gets_the_cells_whose_boxes_fit_it() -> None:
    box = torch.tensor([[8 / 64, 8 / 32, 24 / 64, 24 / 32]])  # 16 pixels a side, its centre at 16, 16
    found = box.repeat(len(PRIORS), 1)
    logits = torch.zeros(len(PRIORS), CLASSES)
    matched, overlaps = assign(box, torch.tensor([1]), found, logits, PRIORS)
    inside = ((PRIORS[:, :2] > box[:, :2]) & (PRIORS[:, :2] < box[:, 2:])).all(dim=1)
    # all boxes fit: the ten best overlaps sum to 10, and cells inside the object are the cheapest
    assert int((matched != UNMATCHED).sum()) == 10
    assert (matched[inside] == 0).all()
    assert overlaps[matched != UNMATCHED] == pytest.approx(torch.ones(10))
    assert not overlaps[matched == UNMATCHED].any()


def test_a_cell_that_two_objects_want_goes_to_the_better() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]])
    found = boxes[(PRIORS[:, 0] > 0.5).long()]
    matched, _ = assign(boxes, torch.tensor([0, 2]), found, torch.zeros(len(PRIORS), CLASSES), PRIORS)
    for cell in (matched != UNMATCHED).nonzero()[:, 0]:
        assert matched[cell] == int(PRIORS[cell, 0] > 0.5)
    assert set(matched.tolist()) == {UNMATCHED, 0, 1}


def test_without_objects_nothing_is_matched() -> None:
    nothing = torch.zeros(0, 4)
    matched, overlaps = assign(nothing, torch.zeros(0).long(), PRIORS, torch.zeros(len(PRIORS), CLASSES), PRIORS)
    assert (matched == UNMATCHED).all()
    assert not overlaps.any()


def test_varifocal_by_hand() -> None:
    logits, quality = torch.zeros(1, 2), torch.tensor([[0.8, 0.0]])
    # 0.8 * ln 2 where the object is, 0.75 * 0.5**2 * ln 2 where it is not
    assert float(varifocal_loss(logits, quality, 0.75, 2.0)) == pytest.approx((0.8 + 0.75 * 0.25) * np.log(2))


def test_a_distribution_is_told_by_its_two_neighbours() -> None:
    distances = torch.tensor([[2.25, 0.0, 7.0, 9.0]])
    even = distribution_losses(torch.zeros(1, 32), distances, BINS)
    assert float(even) == pytest.approx(np.log(8))
    right = torch.full((1, 4, 8), -30.0)
    right[0, 0, 2], right[0, 0, 3] = np.log(0.75), np.log(0.25)
    right[0, 1, 0], right[0, 2:, 6], right[0, 2:, 7] = 0.0, np.log(0.01), np.log(0.99)
    best = distribution_losses(right.flatten(1), distances, BINS)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25) + 2 * (0.99 * np.log(0.99) + 0.01 * np.log(0.01)))
    assert float(best) == pytest.approx(entropy / 4, abs=1e-4)


def test_the_right_answer_costs_less_than_a_wrong_class_or_place() -> None:
    box = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
    location = answers(encode_distances(box.repeat(len(PRIORS), 1), PRIORS).clamp(0, 7))[None]
    logits = torch.full((1, len(PRIORS), CLASSES), -4.0)
    logits[0, PRIORS[:, 0] < 0.5, 1] = 2.0
    good = distance_loss(location, logits, torch.tensor([[2]]), box[None], PRIORS, SETTINGS)
    wrong = distance_loss(location, logits, torch.tensor([[1]]), box[None], PRIORS, SETTINGS)
    astray = distance_loss(location.roll(16, dims=2), logits, torch.tensor([[2]]), box[None], PRIORS, SETTINGS)
    assert good.matched > 1
    assert float(wrong.scores) > float(good.scores) + 5
    assert float(astray.boxes / astray.matched) > float(good.boxes / good.matched) + 1


@pytest.mark.parametrize("labels", [[[0, 0]], [[IGNORED, 0]]])
def test_an_image_without_objects_has_a_gradient_and_padding_is_none(labels: list[list[int]]) -> None:
    location = torch.zeros(1, len(PRIORS), 32, requires_grad=True)
    logits = torch.zeros(1, len(PRIORS), CLASSES, requires_grad=True)
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 1.0], [0, 0, 0, 0]]])
    parts = distance_loss(location, logits, torch.tensor(labels), boxes, PRIORS, SETTINGS)
    parts.over(parts.matched).backward()
    assert float(parts.matched) == 0
    assert location.grad is not None
    assert not location.grad.any()
    counted = logits.grad[0].any(dim=1)  # type: ignore[index]
    covered = PRIORS[:, 0] < 0.5
    assert counted.tolist() == (~covered).tolist() if labels[0][0] == IGNORED else counted.all()


def test_targets_are_the_objects_and_a_batch_fills_them_up() -> None:
    priors = priors_of(PRIORS.numpy(), None, "ltrb")  # type: ignore[arg-type]
    boxes = np.array([[0, 0, 0.5, 1], [0.1, 0.1, 0.2, 0.3]], np.float32)
    made = targets(boxes, np.array([2, IGNORE]), priors, threshold=0.5)
    assert made.labels.tolist() == [3, IGNORED]
    np.testing.assert_array_equal(made.offsets, boxes)
    none = Targets(np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    image = np.zeros((32, 64, 3), np.uint8)
    batch = collate([(Draw(0, n), image, each.labels, each.offsets) for n, each in enumerate((none, made))])
    assert batch.labels.tolist() == [[0, 0], [3, IGNORED]]  # type: ignore[union-attr]
    assert batch.offsets.shape == (2, 2, 4)  # type: ignore[union-attr]
