"""VOC's metric against tables computed by hand: true, false, double, difficult, tied, empty."""

import numpy as np
import pytest

from edgessd.errors import DataError, InputError
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics import measure
from edgessd_training.metrics.voc import area_under, eleven_points, voc_curves

SQUARE = [0, 0, 10, 10]


def record(name, *boxes):
    """Return a record of 60x100; boxes: (class, xyxy, flags), flags holding d for difficult, c for crowd."""
    return Record(
        file_name=name,
        path=name,
        height=60,
        width=100,
        boxes_xyxy=np.array([box for _, box, *_ in boxes], np.float32).reshape(-1, 4),
        classes=np.array([index for index, *_ in boxes], np.int64),
        difficult=np.array([rest == ["d"] for _, _, *rest in boxes], bool),
        crowd=np.array([rest == ["c"] for _, _, *rest in boxes], bool),
    )


def found(*rows):
    """Return detections of (class, score, xyxy)."""
    return Detections(
        np.array([box for *_, box in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        np.array([index for index, *_ in rows], np.int64),
    )


def data(*records, labels=("cat",)):
    return DataSet("voc:somewhere@val", labels, records)


def shifted(pixels):
    return [pixels, 0, 10 + pixels, 10]


def test_the_table_by_hand():
    """Four boxes to find, six detections in order of score: T F T (double: F) (difficult: out) T.

    precision 1/1, 1/2, 2/3, 2/4, 3/5 at recall 1/4, 1/4, 2/4, 2/4, 3/4.
    """
    truth = data(
        record("a", (0, SQUARE), (0, [20, 20, 40, 30]), (0, [50, 0, 60, 10], "d")),
        record("b", (0, SQUARE), (0, [70, 30, 90, 50])),
    )
    detections = [
        found((0, 0.9, SQUARE), (0, 0.6, SQUARE), (0, 0.5, [50, 0, 60, 10]), (0, 0.4, [20, 20, 40, 30])),
        found((0, 0.8, [40, 40, 50, 50]), (0, 0.7, SQUARE)),
    ]
    curve = voc_curves(truth, detections)["cat"]
    assert curve.positives == 4
    assert curve.true_positives.tolist() == [1, 1, 2, 2, 3]
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3, 2 / 4, 3 / 5])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4])
    np.testing.assert_allclose(curve.scores, [0.9, 0.8, 0.7, 0.6, 0.4], atol=1e-6)
    # recall 0, .1, .2: 1; .3, .4, .5: 2/3; .6, .7: 3/5; .8, .9, 1: 0
    by_hand_07 = (3 * 1 + 3 * 2 / 3 + 2 * 3 / 5) / 11
    by_hand_12 = (1 + 2 / 3 + 3 / 5) / 4
    assert curve.voc07 == pytest.approx(by_hand_07)
    assert curve.voc12 == pytest.approx(by_hand_12)
    assert measure(truth, detections, "voc07") == {
        "metric": "voc07",
        "mAP": pytest.approx(by_hand_07),
        "per_class": {"cat": pytest.approx(by_hand_07)},
        "images": 2,
        "boxes": 4,
        "detections": 6,
        "iou": 0.5,
    }
    assert measure(truth, detections, "voc12")["mAP"] == pytest.approx(by_hand_12)


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ([0, 0, 10, 10], True),
        ([0, 0, 10, 5], False),  # an overlap of exactly 0.5: the rule is more than 0.5
        ([0, 0, 10, 5.01], True),
        ([3, 0, 13, 10], True),  # 70 / 130
        ([4, 0, 14, 10], False),  # 60 / 140
        ([0, 0, 0, 0], False),
    ],
)
def test_a_match_overlaps_by_more_than_a_half(box, hit):
    result = measure(data(record("a", (0, SQUARE))), [found((0, 0.5, box))], "voc12")
    assert result["mAP"] == (1.0 if hit else 0.0)


def test_a_detection_belongs_to_the_box_it_overlaps_most_even_when_that_is_taken():
    truth = data(record("a", (0, SQUARE), (0, shifted(2))))
    # Both lie nearest the first box; the second one is a double though the other box would do.
    curve = voc_curves(truth, [found((0, 0.9, SQUARE), (0, 0.8, [0.5, 0, 10.5, 10]))])["cat"]
    assert curve.true_positives.tolist() == [1, 1]
    # A difficult box that is overlapped most takes the detection out of the count.
    truth = data(record("a", (0, SQUARE), (0, shifted(2), "d")))
    curve = voc_curves(truth, [found((0, 0.9, shifted(2)), (0, 0.8, shifted(1.5)), (0, 0.7, SQUARE))])["cat"]
    assert curve.true_positives.tolist() == [1]


def test_equal_scores_keep_the_order_of_the_images():
    truth = data(record("a", (0, SQUARE)), record("b", (0, SQUARE)))
    wrong, right = [50, 50, 60, 60], SQUARE
    first_wrong = [found((0, 0.5, wrong), (0, 0.5, right)), found((0, 0.5, right))]
    assert voc_curves(truth, first_wrong)["cat"].true_positives.tolist() == [0, 1, 2]
    last_wrong = [found((0, 0.5, right)), found((0, 0.5, right), (0, 0.5, wrong))]
    assert voc_curves(truth, last_wrong)["cat"].true_positives.tolist() == [1, 2, 2]


def test_classes_without_a_box_to_find_stay_out_of_the_mean():
    truth = data(record("a", (0, SQUARE), (1, SQUARE, "d")), labels=("cat", "dog", "hen"))
    result = measure(truth, [found((0, 0.9, SQUARE), (1, 0.9, SQUARE), (2, 0.9, SQUARE))], "voc07")
    assert result["per_class"] == {"cat": pytest.approx(1), "dog": None, "hen": None}
    assert result["mAP"] == pytest.approx(1)


def test_another_class_or_another_image_is_no_match():
    truth = data(record("a", (0, SQUARE)), record("b", (1, SQUARE)), labels=("cat", "dog"))
    result = measure(truth, [found((1, 0.9, SQUARE)), found((0, 0.9, SQUARE))], "voc12")
    assert result["per_class"] == {"cat": 0, "dog": 0}


def test_crowds_count_as_difficult():
    truth = data(record("a", (0, SQUARE), (0, [50, 0, 60, 10], "c")))
    result = measure(truth, [found((0, 0.9, [50, 0, 60, 10]), (0, 0.8, SQUARE))], "voc12")
    assert (result["mAP"], result["boxes"]) == (1, 1)


def test_empty_cases():
    nothing = found()
    assert measure(data(record("a", (0, SQUARE))), [nothing], "voc07")["mAP"] == 0
    assert measure(data(record("a"), record("b", (0, SQUARE))), [nothing, found((0, 1, SQUARE))], "voc12")["mAP"] == 1
    for truth in (data(record("a")), data(record("a", (0, SQUARE, "d"))), data()):
        with pytest.raises(DataError, match="no box to be found"):
            measure(truth, [nothing] * len(truth.records), "voc07")
    with pytest.raises(InputError, match="unknown metric 'voc08'"):
        measure(data(record("a", (0, SQUARE))), [nothing], "voc08")


def test_recall_is_compared_in_whole_numbers():
    # 3 of 10 found: in floating point 3 / 10 < 0.1 * 3, and a tenth of the precision would be lost.
    hits = np.array([1, 2, 3])
    assert eleven_points(hits, np.ones(3), positives=10) == pytest.approx(4 / 11)


def test_the_area_under_a_curve_that_rises_again():
    # precision 1/2 then 2/3: the first step counts at the later, higher precision.
    assert area_under(np.array([0.5, 0.5, 1.0]), np.array([1 / 2, 1 / 3, 2 / 3])) == pytest.approx(2 / 3)
    assert area_under(np.zeros(0), np.zeros(0)) == 0
