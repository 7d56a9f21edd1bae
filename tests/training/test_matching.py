import numpy as np
import pytest
import torch
from torchvision_peer import torchvision_detection

from edgessd.model.boxes import Variances, cxcywh_to_xyxy, decode, iou, xyxy_to_cxcywh
from edgessd.model.priors import generate
from edgessd_training.networks.prior_layouts import ssd300_spec
from edgessd_training.samples.matching import BACKGROUND, IGNORE, IGNORED, UNMATCHED, match, priors_of, targets

VARIANCES = Variances()


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def four_priors():
    """Quarters of the image: (x, y) = left top, right top, left bottom, right bottom."""
    centres = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    return priors_of(np.array([(x, y, 0.5, 0.5) for x, y in centres], np.float32), VARIANCES)


def test_prior_takes_the_box_it_overlaps_most_above_the_threshold():
    overlaps = np.array([[0.9, 0.6, 0.2, 0.0], [0.1, 0.7, 0.51, 0.5]])
    assert match(overlaps, 0.5).tolist() == [0, 1, 1, UNMATCHED]


def test_every_box_keeps_its_best_prior_however_low():
    overlaps = np.array([[0.9, 0.0, 0.0], [0.0, 0.1, 0.05]])
    assert match(overlaps, 0.5).tolist() == [0, 1, UNMATCHED]


def test_two_boxes_with_one_best_prior_each_get_one():
    overlaps = np.array([[0.6, 0.3, 0.0], [0.8, 0.2, 0.1]])
    assert match(overlaps, 0.5).tolist() == [1, 0, UNMATCHED]


def test_more_boxes_than_priors_leaves_some_without():
    assert match(np.array([[0.6], [0.8], [0.1]]), 0.5).tolist() == [1]


def test_identical_boxes_both_are_matched():
    overlaps = np.array([[0.6, 0.55, 0.0], [0.6, 0.55, 0.0]])
    assert sorted(match(overlaps, 0.7).tolist()) == [UNMATCHED, 0, 1]


def test_no_box_is_all_background():
    wanted = targets(boxes(), np.zeros(0, np.int64), four_priors(), threshold=0.5)
    assert wanted.labels.tolist() == [BACKGROUND] * 4
    assert not wanted.offsets.any()


def test_targets_by_hand():
    wanted = targets(boxes((0.5, 0, 1, 0.5)), np.array([2]), four_priors(), threshold=0.5)
    assert wanted.labels.tolist() == [0, 3, 0, 0]
    assert wanted.offsets[1] == pytest.approx([0, 0, 0, 0])


def test_crowds_are_neither_objects_nor_background():
    crowd, box = (0, 0, 1, 0.5), (0, 0, 0.5, 0.5)
    wanted = targets(boxes(crowd, box), np.array([IGNORE, 0]), four_priors(), threshold=0.5)
    assert wanted.labels.tolist() == [1, IGNORED, 0, 0]
    wanted = targets(boxes(crowd), np.array([IGNORE]), four_priors(), threshold=0.5)
    assert wanted.labels.tolist() == [IGNORED, IGNORED, 0, 0]


def test_targets_decode_to_their_boxes():
    rng = np.random.default_rng(1)
    priors = priors_of(generate(ssd300_spec()), VARIANCES)
    low = rng.uniform(0, 0.7, (7, 2))
    objects = np.hstack([low, low + rng.uniform(0.02, 0.3, (7, 2))]).astype(np.float32)
    wanted = targets(objects, np.arange(7), priors, threshold=0.5)
    positive = wanted.labels > 0
    decoded = cxcywh_to_xyxy(decode(wanted.offsets[positive], priors.cxcywh[positive], VARIANCES))
    assert np.abs(decoded - objects[wanted.labels[positive] - 1]).max() < 1e-6
    assert set(wanted.labels[positive].tolist()) == set(range(1, 8))


def test_matching_and_encoding_equal_torchvision():
    """torchvision differs twice: IoU >= 0.5 counts as a match, and two boxes with the same best prior share it.

    Neither happens with these random boxes, which the test asserts.
    """
    detection = torchvision_detection()
    from torchvision.models.detection import _utils
    from torchvision.ops import box_iou

    rng = np.random.default_rng(2)
    priors = priors_of(generate(ssd300_spec()), VARIANCES)
    assert detection.ssd.SSD
    for _ in range(5):
        low = rng.uniform(0, 0.8, (9, 2))
        objects = np.hstack([low, low + rng.uniform(0.05, 0.5, (9, 2))]).clip(0, 1).astype(np.float32)
        overlaps = iou(objects, priors.xyxy)
        assert not (overlaps == 0.5).any()
        assert len(set(overlaps.argmax(axis=1))) == len(objects)
        peer = _utils.SSDMatcher(0.5)(box_iou(torch.tensor(objects), torch.tensor(priors.xyxy)))
        assert match(overlaps, 0.5).tolist() == peer.tolist()
        wanted = targets(objects, np.arange(9), priors, threshold=0.5)
        positive = wanted.labels > 0
        coder = _utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
        encoded = coder.encode_single(
            torch.tensor(objects[wanted.labels[positive] - 1]), torch.tensor(priors.xyxy[positive])
        )
        assert np.abs(wanted.offsets[positive] - encoded.numpy()).max() < 1e-5
    assert xyxy_to_cxcywh(boxes((0, 0, 0.2, 0.4)))[0] == pytest.approx([0.1, 0.2, 0.2, 0.4])
