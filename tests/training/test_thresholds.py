"""From which score on a detection is worth showing, by hand."""

from pathlib import Path

import numpy as np

from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics.thresholds import shown_thresholds

LEFT, RIGHT, NOWHERE = [0, 0, 10, 10], [20, 0, 30, 10], [30, 12, 38, 19]


def shown(truth: list[list[int]], boxes: list[list[int]], scores: list[float]) -> float:
    """Return the threshold of a class with these boxes on one image, of which these were found."""
    flags = np.zeros(len(truth), bool)
    record = Record(
        file_name="a.png", path=Path("a.png"), width=40, height=20, boxes_xyxy=np.array(truth, np.float32),
        classes=np.zeros(len(truth), np.int64), difficult=flags, crowd=flags,
    )  # fmt: skip
    found = Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.zeros(len(boxes), np.int64)
    )
    return shown_thresholds(DataSet("by hand", ("cup",), (record,)), [found])["cup"]


def test_where_f1_is_best() -> None:
    # F1 is 2/3, 1 and 4/5: best at 0.8 alone.
    assert shown([LEFT, RIGHT], [LEFT, RIGHT, NOWHERE], [0.9, 0.8, 0.4]) == 0.8


def test_higher_where_too_much_is_wrong_but_not_beyond_0_7() -> None:
    # F1 is best at 0.6, where half of the boxes are wrong; precision never reaches 0.9.
    assert shown([LEFT], [NOWHERE, LEFT], [0.8, 0.6]) == 0.7


def test_never_below_a_half() -> None:
    assert shown([LEFT, RIGHT], [LEFT, RIGHT], [0.9, 0.3]) == 0.5


def test_a_class_of_which_nothing_was_found() -> None:
    assert shown([LEFT], [], []) == 0.7
