"""The three output contracts mean the same detections, in PyTorch, ONNX Runtime and OpenVINO."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_network import small_checkpoint, small_distances

from edgessd import Detections, Detector, ModelCard, PostProcess
from edgessd.detector import decoder_for
from edgessd.errors import InputError
from edgessd.model.postprocess import EVALUATION
from edgessd.model.preprocess import to_input
from edgessd_export.graph.contracts import card_for, wrap
from edgessd_export.write import export_onnx
from edgessd_training.checkpoint import Checkpoint

CONTRACTS = ("raw", "compact", "end2end")
SETTINGS = PostProcess(score=0.9, candidates=400)


@pytest.fixture(scope="module", params=["cxcywh", "ltrb"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return small_checkpoint("sigmoid") if request.param == "cxcywh" else small_distances()


@pytest.fixture(scope="module")
def models(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("contracts")
    paths = {contract: folder / f"{contract}.onnx" for contract in CONTRACTS}
    for contract, path in paths.items():
        export_onnx(checkpoint, path, contract=contract)
    return paths


def frames() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, size=(90, 170, 3), dtype=np.uint8) for _ in range(3)]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_contracts_agree_in_every_engine(models: dict[str, Path], checkpoint: Checkpoint, backend: str) -> None:
    decode = decoder_for(checkpoint.card, SETTINGS)
    module = wrap(checkpoint.network, checkpoint.card)
    for contract in CONTRACTS:
        with Detector(models[contract], backend=backend, settings=SETTINGS) as detector:
            batch = detector.detect_batch(frames())
        for frame, found in zip(frames(), batch, strict=True):
            image = torch.from_numpy(detector_input(frame, checkpoint.card))
            with torch.inference_mode():
                expected = decode(*(tensor.numpy()[0] for tensor in module(image)), *frame.shape[:2])
            assert len(found) == len(expected) > 0
            np.testing.assert_array_equal(found.classes, expected.classes)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
            np.testing.assert_allclose(found.boxes_xyxy / 170, expected.boxes_xyxy / 170, atol=1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_contracts_agree_in_pytorch(activation: str) -> None:
    checkpoint = small_checkpoint(activation)
    found = {contract: torch_detections(checkpoint, contract) for contract in CONTRACTS}
    for contract in ("compact", "end2end"):
        assert len(found[contract]) == len(found["raw"]) > 0
        np.testing.assert_array_equal(found[contract].classes, found["raw"].classes)
        np.testing.assert_array_equal(found[contract].scores, found["raw"].scores)
        np.testing.assert_allclose(found[contract].boxes_xyxy, found["raw"].boxes_xyxy, atol=1e-3)


def torch_detections(checkpoint: Checkpoint, contract: str) -> Detections:
    card, frame = card_for(checkpoint.card, contract), frames()[0]
    with torch.inference_mode():
        outputs = wrap(checkpoint.network, card)(torch.from_numpy(detector_input(frame, card)))
    return decoder_for(card, SETTINGS)(*(tensor.numpy()[0] for tensor in outputs), *frame.shape[:2])


def detector_input(frame: np.ndarray, card: ModelCard) -> np.ndarray:
    return to_input(frame, card.height, card.width)[None]


def test_the_end2end_module_keeps_what_onnx_keeps(models: dict[str, Path], checkpoint: Checkpoint) -> None:
    card = card_for(checkpoint.card, "end2end")
    with torch.inference_mode():
        image = torch.from_numpy(detector_input(frames()[0], card))
        expected = [tensor.numpy() for tensor in wrap(checkpoint.network, card)(image)]
    with Detector(models["end2end"], backend="onnxruntime") as detector:
        found = detector.backend.infer(image.numpy())
    assert found[3] == expected[3]
    count = int(expected[3][0])
    assert 0 < count < card.kept
    np.testing.assert_allclose(found[1], expected[1], atol=1e-4)
    assert not found[0][0, count:].any()
    assert not found[1][0, count:].any()


def test_files_are_whole_and_plain_onnx(models: dict[str, Path]) -> None:
    for contract, path in models.items():
        model = onnx.load(path)
        assert {entry.domain for entry in model.opset_import} == {""}
        assert not model.functions
        assert [tensor.name for tensor in model.graph.input] == ["image"]
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
        reader = next(node for node in model.graph.node if "image" in node.input)
        assert reader.op_type == "Cast"  # TensorRT takes uint8 straight into a cast only
        assert [path.name for path in path.parent.glob(f"{contract}*")] == [path.name]


def test_fixed_batch_and_older_opset(checkpoint: Checkpoint, tmp_path: Path) -> None:
    export_onnx(checkpoint, tmp_path / "two.onnx", contract="compact", kept=7, batch=2, opset=19)
    model = onnx.load(tmp_path / "two.onnx")
    assert model.opset_import[0].version == 19
    shapes = {out.name: [dim.dim_value for dim in out.type.tensor_type.shape.dim] for out in model.graph.output}
    assert shapes == {"boxes": [2, 7, 4], "scores": [2, 7], "classes": [2, 7]}
    with Detector(tmp_path / "two.onnx", backend="onnxruntime") as detector:
        frames = [np.full((30, 40, 3), grey, np.uint8) for grey in (0, 99, 200)]
        assert len(detector.detect_batch(frames)) == 3  # in parts of two, the last one padded


def test_k_is_bounded_by_the_priors(checkpoint: Checkpoint) -> None:
    prior_count = len(checkpoint.card.priors)
    assert card_for(checkpoint.card, "compact").kept == min(400, prior_count)
    assert card_for(checkpoint.card, "compact", prior_count).kept == prior_count
    with pytest.raises(InputError, match=f"at most the number of priors, {prior_count}"):
        card_for(checkpoint.card, "compact", prior_count + 1)
    with pytest.raises(InputError, match="raw gives all"):
        card_for(checkpoint.card, "raw", 10)
    with pytest.raises(InputError, match="choose raw, compact or end2end"):
        card_for(checkpoint.card, "nms")


def test_end2end_refuses_settings_that_its_graph_cannot_meet(models: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"drops scores below 0\.01"):
        Detector(models["end2end"], settings=PostProcess(score=0.001))
    with pytest.raises(InputError, match=r"nms_iou 0\.6"):
        Detector(models["end2end"], settings=PostProcess(nms_iou=0.6))
    Detector(models["end2end"], settings=EVALUATION).close()  # 0.01 is what is baked in


def test_nothing_above_the_threshold_is_no_detection(models: dict[str, Path]) -> None:
    for path in models.values():
        with Detector(path, settings=PostProcess(score=1.0)) as detector:
            assert len(detector.detect(frames()[0])) == 0


def test_a_file_names_no_folder_of_the_machine(checkpoint: Checkpoint, tmp_path: Path) -> None:
    export_onnx(checkpoint, tmp_path / "m.onnx")
    assert str(Path(__file__).parents[2]).encode() not in (tmp_path / "m.onnx").read_bytes()
