"""Boxes drawn into a frame: nothing is changed but a copy, labels keep out of each other's way and off objects."""

from itertools import pairwise

import numpy as np

from edgessd.model.detections import Detections, no_detections
from edgessd.sinks.draw import Text, draw, label_places, text_for
from edgessd.sinks.draw_tracks import colour_of

TEXT = Text("cat 0.90", 0.4, 30, 10, 2)


def places(*boxes_xyxy: list[int], height: int = 100, width: int = 120) -> list[list[int]]:
    return label_places(np.array(boxes_xyxy), [TEXT] * len(boxes_xyxy), height, width).tolist()


def test_a_label_stands_above_its_box_or_below_it_at_the_upper_edge() -> None:
    assert places([5, 40, 60, 90]) == [[5, 30, 35, 40]]
    assert places([5, 3, 60, 80]) == [[5, 0, 35, 10]]


def test_labels_of_one_place_never_cover_each_other_the_best_first() -> None:
    found = places(*[[5, 40, 60, 80]] * 3, [70, 40, 90, 80])
    assert found[0] == [5, 30, 35, 40]
    assert found[3] == [70, 30, 100, 40]
    rows = sorted(top for left, top, *_ in found if left == 5)
    assert all(second - first >= 10 for first, second in pairwise(rows))


def test_a_label_hides_no_small_object_beside_it() -> None:
    walker = [20, 30, 28, 40]  # right above the first box
    (label, _) = places([15, 40, 60, 80], walker)
    assert label[1] >= 80  # below its box


def test_a_label_stays_inside_the_frame() -> None:
    assert places([110, 0, 120, 6], height=9) == [[90, 0, 120, 10]]  # a frame less high than the text


def test_small_objects_get_small_labels() -> None:
    wide, narrow = text_for(400, 0.9, "person", 0.87), text_for(20, 0.9, "person", 0.87)
    assert (wide.words, wide.size) == ("person 0.87", 0.9)
    assert (narrow.words, narrow.size) == ("person", 0.3)
    assert narrow.width < 45


def test_no_box_cuts_through_a_label() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    boxes = np.array([[10, 40, 150, 110], [20, 20, 60, 100], [30, 34, 90, 90]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 1, 2]))
    drawn = draw(frame, found, ("cat", "dog", "bird"))
    texts = [text_for(int(box[2] - box[0]), 0.4, name, score) for box, name, score in
             zip(boxes, ("cat", "dog", "bird"), (0.9, 0.8, 0.7), strict=True)]  # fmt: skip
    for left, top, right, _ in label_places(boxes.astype(int), texts, 120, 160).tolist():
        row = drawn[top, left : right + 1]
        others = [colour for colour in map(colour_of, range(3)) if colour != tuple(row[0].tolist())]
        # Letters may reach the plate's upper edge, by OpenCV's version; another box's line must not.
        assert not any((row == colour).all(axis=1).any() for colour in others)


def test_the_frame_itself_is_left_alone() -> None:
    frame = np.zeros((48, 80, 3), np.uint8)
    assert (draw(frame, no_detections(), ("cat",)) == 0).all()
    one = Detections(np.array([[8, 20, 40, 44]], np.float32), np.array([0.9], np.float32), np.array([0]))
    drawn = draw(frame, one, ("cat",))
    assert drawn[43, 20].any()
    assert not drawn[30, 20].any()
    assert not frame.any()
