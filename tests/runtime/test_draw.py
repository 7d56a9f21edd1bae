"""Boxes drawn into a frame: nothing is changed but a copy, labels keep out of each other's way."""

import numpy as np

from edgessd.model.detections import Detections, no_detections
from edgessd.sinks.draw import _plates, draw

SIZE = (30, 8), 2  # a text 30 wide, 8 high, 2 below its line


def test_a_label_stands_above_its_box_or_inside_at_the_upper_edge() -> None:
    above, inside = _plates([[5, 40, 60, 90], [5, 3, 60, 90]], [SIZE, SIZE], 100, 120)
    assert above == (5, 30, 35, 40, 2)
    assert inside == (5, 3, 35, 13, 2)


def test_labels_of_one_place_stand_below_each_other_the_best_first() -> None:
    plates = _plates([[5, 40, 60, 90]] * 3 + [[70, 40, 90, 90]], [SIZE] * 4, 100, 120)
    assert [(left, top) for left, top, *_ in plates] == [(5, 30), (5, 40), (5, 50), (70, 30)]


def test_a_label_stays_inside_the_frame() -> None:
    (plate,) = _plates([[110, 0, 120, 6]], [SIZE], 9, 120)
    assert plate == (90, -1, 120, 9, 2)  # a frame less high than the text


def test_the_frame_itself_is_left_alone() -> None:
    frame = np.zeros((48, 80, 3), np.uint8)
    assert (draw(frame, no_detections(), ("cat",)) == 0).all()
    one = Detections(np.array([[8, 20, 40, 44]], np.float32), np.array([0.9], np.float32), np.array([0]))
    drawn = draw(frame, one, ("cat",))
    assert drawn[43, 20].any()
    assert not drawn[30, 20].any()
    assert not frame.any()
