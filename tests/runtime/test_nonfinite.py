"""NaN and infinity from a network are counted and told on every decoder, never taken for an empty frame."""

import logging
from pathlib import Path

import numpy as np
import pytest

from edgessd import Detector
from edgessd.backends.graph_tensors import check_outputs
from edgessd.errors import BackendError, CardError
from edgessd.model.card import ModelCard, card_of
from edgessd.model.compact import CompactDecoder
from edgessd.model.detections import refuse_nonfinite
from edgessd.model.end2end import End2EndDecoder
from edgessd.model.postprocess import EVALUATION, PostProcess, RawDecoder
from edgessd.model.priors import FeatureMap, PriorSpec, generate

CARD = ModelCard("n", ("cat", "dog"), 24, 32, PriorSpec((FeatureMap(1, 4, (0.25, 1.0), ((0.25, 1.0),)),)), "sigmoid")
ROWS = CARD.with_changes(contract="compact", kept=3)


@pytest.mark.parametrize("settings", [PostProcess(), PostProcess(class_scores={"cat": 0.5}), EVALUATION])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_raw_counts_scores_and_offsets_that_are_no_numbers(bad: float, settings: PostProcess) -> None:
    decode = RawDecoder(CARD, generate(CARD.priors), settings)
    offsets, scores = np.zeros((4, 4), np.float32), np.zeros((4, 2), np.float32)
    scores[0, 0] = 0.9
    assert decode(offsets, scores, 24, 32).nonfinite == 0
    scores[1, 1] = bad
    offsets[0, 2] = bad
    found = decode(offsets, scores, 24, 32)
    assert (len(found), found.nonfinite) == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_of_the_graph_are_counted(bad: float) -> None:
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (3, 1))
    scores, classes = np.array([bad, 0.9, 0.8], np.float32), np.array([0, 1, 0])
    boxes[2, 3] = bad
    found = CompactDecoder(ROWS, PostProcess())(boxes, scores, classes, 24, 32)
    assert (found.classes.tolist(), found.nonfinite) == ([1], 2)
    card = CARD.with_changes(contract="end2end", kept=3)
    found = End2EndDecoder(card, PostProcess())(boxes, scores, classes, np.array(3), 24, 32)
    assert (found.classes.tolist(), found.nonfinite) == ([1], 2)
    with pytest.raises(BackendError, match="NaN or infinity"):
        refuse_nonfinite(found)


@pytest.mark.parametrize("label", [2, -1])
def test_a_class_without_a_label_is_refused(label: int) -> None:
    boxes, scores = np.zeros((3, 4), np.float32), np.full(3, 0.9, np.float32)
    with pytest.raises(BackendError, match="2 labels"):
        CompactDecoder(ROWS, PostProcess())(boxes, scores, np.array([0, label, 1]), 24, 32)
    decode = End2EndDecoder(CARD.with_changes(contract="end2end", kept=3), PostProcess())
    with pytest.raises(BackendError, match="2 labels"):
        decode(boxes, scores, np.array([0, label, 1]), np.array(99), 24, 32)


def test_the_first_outputs_are_held_to_the_card() -> None:
    offsets, scores = np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 2), np.float32)
    path = Path("m.onnx")
    check_outputs(CARD, path, (offsets, scores))
    with pytest.raises(CardError, match="2 labels"):
        check_outputs(CARD, path, (offsets, scores[..., :1]))
    with pytest.raises(CardError, match="float64"):
        check_outputs(CARD, path, (offsets.astype(np.float64), scores))
    with pytest.raises(BackendError, match="scores that are not finite"):
        check_outputs(CARD, path, (offsets, np.full_like(scores, np.nan)))


def test_a_detector_counts_and_warns_once_a_minute(
    tiny: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Detector(tiny, backend="onnxruntime") as detector:
        whole = detector.backend.infer
        priors = len(card_of(tiny).priors)
        monkeypatch.setattr(
            detector.backend, "infer", lambda images: (whole(images)[0], np.full((1, priors, 2), np.nan, np.float32))
        )
        with caplog.at_level(logging.WARNING, logger="edgessd"):
            for _ in range(3):
                assert detector.detect(np.zeros((24, 32, 3), np.uint8)).nonfinite == 2 * priors
        assert detector.nonfinite == 3 * 2 * priors
    assert len([line for line in caplog.messages if "NaN or infinity" in line]) == 1
