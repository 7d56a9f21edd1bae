import numpy as np
import pytest

from edgessd.model.boxes import (
    Variances,
    cxcywh_to_xyxy,
    decode,
    decode_distances,
    decoded_xyxy,
    encode,
    encode_distances,
    iou,
    xyxy_to_cxcywh,
)

VARIANCES = Variances(0.1, 0.2)


def test_formats_are_inverse() -> None:
    boxes_xyxy = np.array([[1.0, 2, 5, 10], [0, 0, 0, 0]])
    assert xyxy_to_cxcywh(boxes_xyxy).tolist() == [[3, 6, 4, 8], [0, 0, 0, 0]]
    assert cxcywh_to_xyxy(xyxy_to_cxcywh(boxes_xyxy)).tolist() == boxes_xyxy.tolist()


def test_iou_of_a_table() -> None:
    first = np.array([[0.0, 0, 2, 4]])
    second = np.array([[0.0, 0, 2, 4], [1, 0, 3, 4], [2, 0, 4, 4], [0, 0, 2, 2], [1, 1, 1, 3]])
    # equal; half shared: 4 / 12; touching; inside: 4 / 8; no area
    assert iou(first, second) == pytest.approx(np.array([[1, 1 / 3, 0, 0.5, 0]]))


def test_iou_without_boxes_and_without_area() -> None:
    nothing = np.zeros((0, 4))
    assert iou(nothing, np.ones((3, 4))).shape == (0, 3)
    point = np.array([[1.0, 1, 1, 1]])
    assert iou(point, point).tolist() == [[0]]


def test_encode_by_hand() -> None:
    prior = np.array([[0.5, 0.5, 0.2, 0.4]])
    box = np.array([[0.52, 0.46, 0.2 * np.e, 0.4]])
    # (0.02 / 0.2) / 0.1, (-0.04 / 0.4) / 0.1, ln(e) / 0.2, 0
    assert encode(box, prior, VARIANCES) == pytest.approx(np.array([[1, -1, 5, 0]]))


def test_decode_is_the_inverse_of_encode() -> None:
    random = np.random.default_rng(0)
    priors = random.uniform(0.1, 0.9, (50, 4))
    boxes = random.uniform(0.1, 0.9, (50, 4))
    assert decode(encode(boxes, priors, VARIANCES), priors, VARIANCES) == pytest.approx(boxes)


def test_distances_by_hand() -> None:
    cell = np.array([[0.5, 0.25, 0.1, 0.2]])  # a centre, and a stride of 0.1 by 0.2
    box_xyxy = decode_distances(np.array([[1.0, 0.5, 2, 0]]), cell)
    assert box_xyxy == pytest.approx(np.array([[0.4, 0.15, 0.7, 0.25]]))
    assert encode_distances(box_xyxy, cell) == pytest.approx(np.array([[1, 0.5, 2, 0]]))
    assert decode_distances(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 4)


def test_the_coding_says_what_offsets_mean() -> None:
    cell, offsets = np.array([[0.5, 0.25, 0.1, 0.2]]), np.array([[1.0, 0.5, 2, 0]])
    assert decoded_xyxy(offsets, cell, "ltrb", VARIANCES).tolist() == decode_distances(offsets, cell).tolist()
    by_variances = cxcywh_to_xyxy(decode(offsets, cell, VARIANCES))
    assert decoded_xyxy(offsets, cell, "cxcywh", VARIANCES).tolist() == by_variances.tolist()
