import numpy as np
import pytest

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.model.postprocess import EVALUATION, PostProcess, RawDecoder, suppress
from edgessd.model.priors import FeatureMap, PriorSpec, generate

# Four priors in a row over an image twice as wide as high; the first two stand on the same spot.
SPEC = PriorSpec((FeatureMap(1, 2, (0.5, 1.0), ((0.4, 0.8), (0.4, 0.6))),))
CARD = ModelCard("table", ("cat", "dog"), 10, 20, SPEC, "sigmoid", nms_iou=0.5)
OFFSETS = np.zeros((4, 4), np.float32)


def detect(scores: list[list[float]], settings: PostProcess, offsets: np.ndarray = OFFSETS):
    decoder = RawDecoder(CARD, generate(SPEC), settings)
    return decoder(offsets, np.array(scores, np.float32), 100, 200)


def test_one_box_in_pixels_of_a_frame_that_is_not_square() -> None:
    found = detect([[0.9, 0], [0, 0], [0, 0], [0, 0]], PostProcess(score=0.5))
    # centre 0.25, 0.5; size 0.4 x 0.8; frame 200 x 100
    assert found.boxes_xyxy == pytest.approx(np.array([[10, 10, 90, 90]]), abs=1e-4)
    assert found.boxes_xyxy.dtype == found.scores.dtype == np.float32
    assert found.as_json(CARD.labels) == [{"label": "cat", "score": 0.9, "box": [10.0, 10.0, 90.0, 90.0]}]


def test_overlaps_are_suppressed_within_a_class_only() -> None:
    # priors 0 and 1 overlap by 0.24 / 0.32 = 0.75
    same = detect([[0.9, 0], [0.8, 0], [0, 0], [0, 0]], PostProcess(score=0.5))
    assert same.scores.tolist() == pytest.approx([0.9])
    other = detect([[0.9, 0], [0, 0.8], [0, 0], [0, 0]], PostProcess(score=0.5))
    assert other.classes.tolist() == [0, 1]
    loose = detect([[0.9, 0], [0.8, 0], [0, 0], [0, 0]], PostProcess(score=0.5, nms_iou=0.8))
    assert len(loose) == 2


def test_the_best_comes_first() -> None:
    found = detect([[0.6, 0], [0, 0], [0.9, 0], [0, 0]], PostProcess(score=0.5))
    assert found.scores.tolist() == pytest.approx([0.9, 0.6])


def test_nothing_above_the_threshold() -> None:
    found = detect([[0.4, 0.4]] * 4, PostProcess(score=0.5))
    assert len(found) == 0
    assert found.boxes_xyxy.shape == (0, 4)
    assert found.as_json(CARD.labels) == []


def test_boxes_are_clipped_to_the_frame() -> None:
    offsets = OFFSETS.copy()
    offsets[0] = [-10, 0, 5, 0]  # centre 0.25 - 0.4, width 0.4 e
    found = detect([[0.9, 0], [0, 0], [0, 0], [0, 0]], PostProcess(score=0.5), offsets)
    width = 0.4 * np.e
    assert found.boxes_xyxy == pytest.approx(np.array([[0, 10, (-0.15 + width / 2) * 200, 90]]), abs=1e-3)


def test_offsets_that_are_not_finite_are_dropped() -> None:
    offsets = OFFSETS.copy()
    offsets[0] = np.nan
    offsets[2, 2] = 1e9
    with np.errstate(over="ignore"):
        found = detect([[0.9, 0], [0, 0], [0.8, 0], [0.7, 0]], PostProcess(score=0.5), offsets)
    assert found.scores.tolist() == pytest.approx([0.7])


def test_only_the_labels_asked_for() -> None:
    found = detect([[0.9, 0.8], [0, 0], [0, 0], [0, 0]], PostProcess(score=0.5, labels=("dog",)))
    assert found.classes.tolist() == [1]


def test_a_threshold_for_one_class() -> None:
    settings = PostProcess(score=0.5, class_scores={"dog": 0.95})
    found = detect([[0.6, 0.9], [0, 0], [0, 0], [0, 0]], settings)
    assert found.classes.tolist() == [0]


def test_candidates_are_counted_for_every_class_alone() -> None:
    scores = [[0.9, 0.1], [0.0, 0.2], [0.8, 0.0], [0.0, 0.3]]
    found = detect(scores, PostProcess(score=0.05, candidates=1))
    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.3])


def test_at_most_so_many_detections() -> None:
    assert len(detect([[0.9, 0.8], [0, 0], [0.7, 0], [0, 0]], PostProcess(score=0.5, detections=2))) == 2


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(score: float) -> None:
    with pytest.raises(InputError, match=r"0\.\.1"):
        PostProcess(score=score)


def test_no_class_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no label is named"):
        PostProcess(labels=())


def test_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown class 'bird'.*cat, dog"):
        detect([[0, 0]] * 4, PostProcess(labels=("bird",)))


@pytest.mark.parametrize("count", [1, 300, 700], ids=["one", "one call", "a call a class"])
def test_suppression_equals_a_plain_loop_on_random_boxes(count: int) -> None:
    """The reference is greedy NMS written out, class by class."""
    random = np.random.default_rng(1)
    centres, sizes = random.uniform(0, 1, (count, 2)), random.uniform(0.05, 0.4, (count, 2))
    boxes = np.hstack([centres - sizes / 2, centres + sizes / 2]).astype(np.float32)
    scores = random.permutation(np.linspace(0.05, 0.95, count)).astype(np.float32)
    classes = random.integers(0, 3, count)
    found = suppress(boxes, scores, classes, 0.45, 1000, height=1, width=1)
    expected = sorted(greedy(boxes.clip(0, 1), scores, classes, 0.45), key=lambda index: -scores[index])
    assert found.scores.tolist() == scores[expected].tolist()
    assert found.classes.tolist() == classes[expected].tolist()


def greedy(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in np.argsort(-scores):
        left, top, right, bottom = boxes[index].astype(np.float64)
        for other in kept:
            if classes[other] != classes[index]:
                continue
            x1, y1, x2, y2 = boxes[other].astype(np.float64)
            shared = max(0, min(right, x2) - max(left, x1)) * max(0, min(bottom, y2) - max(top, y1))
            if shared / ((right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - shared) > threshold:
                break
        else:
            kept.append(int(index))
    return kept


def test_the_two_settings() -> None:
    assert PostProcess().thresholds(("cat",), {}).tolist() == pytest.approx([0.3])
    assert (EVALUATION.score, EVALUATION.candidates, EVALUATION.detections) == (0.01, 200, 200)


def test_the_cards_thresholds_count_until_a_score_is_given() -> None:
    labels, own = ("cat", "dog", "hen"), {"cat": 0.6, "hen": 0.2}
    assert PostProcess().thresholds(labels, own).tolist() == pytest.approx([0.6, 0.3, 0.2])
    assert PostProcess(class_scores={"cat": 0.1}).thresholds(labels, own).tolist() == pytest.approx([0.1, 0.3, 0.2])
    assert PostProcess(score=0.5).thresholds(labels, own).tolist() == pytest.approx([0.5, 0.5, 0.5])
    assert PostProcess(labels=("dog",)).thresholds(labels, own).tolist() == pytest.approx([2, 0.3, 2])
