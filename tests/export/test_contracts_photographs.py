"""The three output contracts of a trained model give the same detections of photographs, in every engine."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from edgessd import Detections, Detector
from edgessd.detector import decoder_for
from edgessd.model.postprocess import REALTIME
from edgessd.model.preprocess import to_input
from edgessd_export.graph.contracts import card_for, wrap
from edgessd_export.graph.float_graph import Layout, float_graph, write_card
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.tflite import import_tflite

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CONTRACTS = ("raw", "compact", "end2end")


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    paths = sorted((SHARED / "voc07" / "JPEGImages").glob("*.jpg"))[:6]
    if not paths or not (SHARED / "weights/detect.tflite").is_file():
        pytest.skip("no photographs or no COCO SSD in ../shared/data")
    return [cv2.imread(str(path)) for path in paths]


@pytest.fixture(scope="module")
def checkpoint(photographs: list[np.ndarray]) -> Checkpoint:
    return import_tflite(SHARED / "weights/detect.tflite")


@pytest.fixture(scope="module")
def expected(checkpoint: Checkpoint, photographs: list[np.ndarray]) -> list[Detections]:
    """Return what PyTorch finds under ``raw``."""
    found = in_torch(checkpoint, "raw", photographs)
    assert sum(map(len, found)) > 50
    return found


def in_torch(checkpoint: Checkpoint, contract: str, photographs: list[np.ndarray]) -> list[Detections]:
    card = card_for(checkpoint.card, contract)
    module, decode = wrap(checkpoint.network, card), decoder_for(card, REALTIME)
    found = []
    for frame in photographs:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(to_input(frame, card.height, card.width)[None]))
        found.append(decode(*(tensor.numpy()[0] for tensor in outputs), *frame.shape[:2]))
    return found


def assert_same(found: list[Detections], expected: list[Detections], photographs: list[np.ndarray]) -> None:
    """The same classes, scores to 1e-5 and boxes to 1e-4 of the image; equal scores may stand in any order."""
    for ours, theirs, frame in zip(found, expected, photographs, strict=True):
        height, width = frame.shape[:2]
        apart = np.abs(ours.boxes_xyxy[:, None] - theirs.boxes_xyxy) / (width, height, width, height)
        same = (apart.max(axis=2) <= 1e-4) & (np.abs(ours.scores[:, None] - theirs.scores) <= 1e-5)
        same &= ours.classes[:, None] == theirs.classes
        assert len(ours) == len(theirs)
        assert same.any(axis=0).all()
        assert same.any(axis=1).all()


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contracts_agree_on_photographs(
    checkpoint: Checkpoint, photographs: list[np.ndarray], expected: list[Detections], contract: str, tmp_path: Path
) -> None:
    assert_same(in_torch(checkpoint, contract, photographs), expected, photographs)
    model = float_graph(checkpoint, Layout(contract))
    write_card(model, card_for(checkpoint.card, contract))
    onnx.save(model, str(tmp_path / "m.onnx"))
    for backend in ("onnxruntime", "openvino"):
        with Detector(tmp_path / "m.onnx", backend=backend, settings=REALTIME) as detector:
            found = [detector.detect(frame) for frame in photographs]
        assert_same(found, expected, photographs)
