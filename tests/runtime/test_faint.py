"""Boxes below the threshold, kept apart for a tracker: all others stay what they are."""

from pathlib import Path

import numpy as np
import pytest
from frames import blue_cell

from edgessd import Detector, PostProcess
from edgessd.detector import decoder_for
from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections
from edgessd.model.postprocess import FAINT, apart
from edgessd.model.priors import FeatureMap, PriorSpec
from edgessd.sources import open_source


def test_boxes_are_told_apart_by_the_thresholds_of_their_classes() -> None:
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = Detections(boxes, np.array([0.8, 0.6, 0.4], np.float32), np.array([0, 0, 1]), nonfinite=2)
    visible = apart(found, np.array([0.7, 0.3], np.float32), most=100)
    assert visible.scores.tolist() == pytest.approx([0.8, 0.4])
    assert visible.faint.scores.tolist() == pytest.approx([0.6])
    assert visible.nonfinite == 2
    assert len(apart(found, np.array([0.1, 0.1], np.float32), most=2)) == 2


def test_what_is_visible_is_the_same_with_and_without_faint_boxes(shared: Path) -> None:
    faint_seen = 0
    with (
        open_source(str(shared / "videos" / "vtest.mp4")) as source,
        Detector("default") as plain,
        Detector("default", settings=PostProcess(faint=FAINT)) as keen,
    ):
        for frame, _ in zip(source.frames(), range(10), strict=False):
            alone, both = plain.detect(frame.image), keen.detect(frame.image)
            assert alone.faint is None
            assert both.boxes_xyxy.tolist() == alone.boxes_xyxy.tolist()
            assert both.scores.tolist() == alone.scores.tolist()
            assert both.classes.tolist() == alone.classes.tolist()
            faint_seen += len(both.faint)
            thresholds = np.array([keen.card.thresholds[label] for label in keen.card.labels])
            assert (both.faint.scores < thresholds[both.faint.classes]).all()
            assert (both.faint.scores >= FAINT * thresholds[both.faint.classes] - 1e-6).all()
    assert faint_seen


def test_labels_that_are_not_wanted_are_not_faint_either(tiny: Path) -> None:
    frame = blue_cell(1, 2, height=48, width=64)
    with Detector(tiny) as detector:
        labels = detector.card.labels
    with Detector(tiny, settings=PostProcess(score=0.99999, faint=0.1, labels=labels[1:])) as detector:
        found = detector.detect(frame)
        assert all(labels[index] in labels[1:] for index in (*found.classes, *found.faint.classes))


def test_a_part_of_a_threshold_lies_between_none_and_all() -> None:
    for part in (0, 1, 2):
        with pytest.raises(InputError, match="between 0 and 1"):
            PostProcess(faint=part)


def test_the_graph_s_own_floor_bounds_faint_boxes() -> None:
    priors = PriorSpec((FeatureMap(1, 4, (0.25, 1.0), ((0.25, 1.0),)),))
    card = ModelCard("n", ("cat",), 24, 32, priors, "sigmoid", contract="end2end", kept=3, score_floor=0.4)
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (3, 1))
    decode = decoder_for(card, PostProcess(score=0.5, faint=0.5))
    found = decode(boxes, np.array([0.6, 0.45, 0.3], np.float32), np.zeros(3, int), np.array(3), 24, 32)
    assert (len(found), len(found.faint)) == (1, 1)
    with pytest.raises(InputError, match=r"threshold 0\.3 is lower"):
        decoder_for(card, PostProcess(score=0.3, faint=0.5))
