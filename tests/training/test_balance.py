"""Scores shifted class by class: thresholds by hand, and what a shifted network says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics.balance import best_thresholds, shift_scores
from edgessd_training.networks import build


def record(boxes, classes):
    count = len(classes)
    return Record(
        file_name="a.png", path=Path("a.png"), width=40, height=20,
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4), classes=np.array(classes, np.int64),
        difficult=np.zeros(count, bool), crowd=np.zeros(count, bool),
    )  # fmt: skip


def found(boxes, scores, classes):
    return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes, np.int64))


def test_thresholds_by_hand():
    left, right, nowhere = [0, 0, 10, 10], [20, 0, 30, 10], [30, 12, 38, 19]
    data = DataSet("by hand", ("cup", "key", "pen"), (record([left, right], [0, 0]), record([left], [1])))
    detections = [
        found([left, right, nowhere], [0.9, 0.7, 0.4], [0, 0, 0]),  # F1 2/3, 1, 4/5: best at 0.7 alone
        found([nowhere, left], [0.8, 0.6], [1, 1]),  # F1 0, 2/3: best at 0.6
    ]
    np.testing.assert_allclose(best_thresholds(data, detections), [0.7, 0.6, 0.5], atol=1e-6)


@pytest.mark.parametrize("family", ["ssd_mobilenet_v1", "ssdlite_mobilenet_v2"])
def test_the_threshold_becomes_a_half_for_every_prior(family):
    torch.manual_seed(0)
    network = build({"family": family, "width": 0.1, "input_size": 96, "classes": 3, "activation": "sigmoid"}).eval()
    images = torch.randint(0, 256, (2, 96, 96, 3), dtype=torch.uint8)
    thresholds = np.array([0.5, 0.7, 0.2])
    with torch.no_grad():
        before = network(images)
        shift_scores(network, thresholds)
        after = network(images)
    logits = torch.from_numpy(np.log(thresholds / (1 - thresholds))).float()
    torch.testing.assert_close(after[1], before[1] - logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(after[0], before[0])


def test_softmax_scores_are_refused():
    network = build({"family": "ssdlite_mobilenet_v2", "width": 0.1, "input_size": 96, "classes": 2})
    with pytest.raises(InputError, match="sigmoid"):
        shift_scores(network, np.array([0.5, 0.5]))
