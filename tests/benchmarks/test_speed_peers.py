"""The parts of the peers that are ours: the scene, YOLO's definition, the choice of entries, a worker's end."""

from pathlib import Path

import numpy as np
import pytest

from comparison.choose import entries_for, model_files
from comparison.entry import OURS, SAME_NETWORK, Entry
from comparison.macs import onnx_gmac, terms
from comparison.peers import yolo_2016
from comparison.power import joules
from comparison.rounds import Plan, run_rounds
from comparison.scene import scene_scores, sigmoid_logits, softmax_logits
from comparison.video import decoded, describe, generated_clip
from edgessd.errors import InputError
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.priors import generate
from edgessd_training.networks.prior_layouts import ssd300_spec

TINY = Path(__file__).parents[1] / "runtime" / "tiny.onnx"


@pytest.mark.parametrize("classes", [1, 20, 90])
def test_scene_has_eight_objects_of_eight_candidates(classes: int) -> None:
    scores = scene_scores(cxcywh_to_xyxy(generate(ssd300_spec())), classes)
    assert scores.shape == (8732, classes)
    assert 40 <= (scores >= 0.3).sum() <= 64  # objects may share priors
    assert (scores.sum(axis=1) < 1).all()


def test_logits_bring_the_scores_back() -> None:
    scores = np.array([[0.7, 0.2], [0.0, 0.01], [0.5, 0.0]], np.float32)
    logits = softmax_logits(scores).astype(np.float64)
    powers = np.exp(logits)
    np.testing.assert_allclose((powers / powers.sum(axis=1, keepdims=True))[:, 1:], scores, atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-sigmoid_logits(scores).astype(np.float64))), scores, atol=1e-6)


def test_yolo_has_24_convolutions_and_the_papers_output() -> None:
    """The weights of its full size are a gigabyte: the layers are counted on torch's meta device."""
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        network = yolo_2016.network()
        answer = network(torch.zeros(2, 3, 448, 448))
    assert answer.shape == (2, 7 * 7 * 30)
    convolutions = [layer for layer in network if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 24
    # 271 million parameters: 60 in the convolutions, 205 and 6 in the fully connected layers.
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(271e6, rel=0.01)


def test_yolo_decodes_one_box_of_one_cell() -> None:
    answer = np.zeros(1470, np.float32)
    cell, label, box = 3 * 7 + 2, 5, 1
    answer[cell * 20 + label] = 0.9
    answer[49 * 20 + cell * 2 + box] = 0.8
    answer[49 * 22 + (cell * 2 + box) * 4 :][:4] = (0.5, 0.5, 0.4, 0.4)
    assert yolo_2016.decode(answer, 480, 640) == 1
    assert yolo_2016.decode(np.zeros(1470, np.float32), 480, 640) == 0
    assert yolo_2016.decode(yolo_2016.scene(), 720, 1280) >= 8


def test_macs_of_one_output_value() -> None:
    assert terms("Conv", [64, 3, 7, 7]) == 147
    assert terms("Gemm", [10, 512]) == 512
    assert terms("MatMul", [512, 10]) == 512


def test_macs_of_a_graph_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    """4 filters of 3x3x3 on 8x10 pixels give 4x6x8 values of 27 products each, whatever the batch."""
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    image = helper.make_tensor_value_info("image", floats, ["batch", 3, 8, 10])
    answer = helper.make_tensor_value_info("answer", floats, None)
    weights = onnx.numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "weights")
    node = helper.make_node("Conv", ["image", "weights"], ["answer"])
    model = helper.make_model(helper.make_graph([node], "g", [image], [answer], [weights]))
    onnx.save(model, str(tmp_path / "one.onnx"))
    assert onnx_gmac(tmp_path / "one.onnx") == pytest.approx(4 * 6 * 8 * 27 / 1e9)


def test_entries_begin_with_ours_and_absent_ones_are_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("comparison.entry.find_spec", lambda name: None if name == "ultralytics" else object())
    entries, absent = entries_for([TINY], ["bare", "opencv", "ultralytics"], [1, 8], {}, tmp_path)
    assert entries[0].group == OURS
    assert {entry.batch for entry in entries if entry.group == OURS} == {1, 8}
    assert any(entry.group == SAME_NETWORK for entry in entries)
    assert absent
    assert all(entry.missing == ("ultralytics",) for entry in absent)
    assert len({entry.name for entry in [*entries, *absent]}) == len(entries) + len(absent)


def test_unknown_peers_models_and_precisions_are_refused(tmp_path: Path) -> None:
    frames = np.zeros((1, 90, 160, 3), np.uint8)
    with pytest.raises(InputError, match="no peer 'no such'"):
        entries_for([TINY], ["no such"], [1], {}, tmp_path)
    with pytest.raises(InputError, match="no model file"):
        model_files(["nothing.onnx"], frames, tmp_path)
    with pytest.raises(InputError, match="no precision 'int4'"):
        model_files(["ssd_mobilenet_v1:int4"], frames, tmp_path)


def test_peers_are_chosen_by_group_or_by_a_part_of_the_name(tmp_path: Path) -> None:
    chosen = [entry for found in entries_for([TINY], ["ssdlite320", "opencv"], [1], {}, tmp_path) for entry in found]
    groups = {entry.family for entry in chosen} - {"edgessd", "rate", "yardstick"}
    assert groups == {"torchvision", "opencv"}
    assert [entry.options["model"] for entry in chosen if entry.family == "torchvision"] == [
        "ssdlite320_mobilenet_v3_large"
    ]


def test_rounds_run_ours_and_survive_a_broken_entry(tmp_path: Path) -> None:
    clip = generated_clip(tmp_path)
    frames_file, frames = decoded(clip, tmp_path)
    assert describe(clip, frames).startswith("1280x720")
    entries, _ = entries_for([TINY], [], [1], {}, tmp_path)
    broken = Entry("broken", "peer", "edgessd", {"model": "nothing.onnx", "backend": "onnxruntime"})
    plan = Plan(rounds=2, seconds=0.05, most=3, video_frames=10)
    ours, failed = run_rounds([entries[0], broken], frames_file, clip, plan)
    assert ours.failure is None
    assert ours.facts is not None
    assert [len(block.seconds) > 0 for block in ours.blocks if block] == [True, True]
    assert all(played and played.frames == 10 for played in ours.played)
    assert failed.failure is not None
    assert "no model file" in failed.failure
    assert failed.blocks == [None, None]


def test_energy_counters_are_summed_where_there_are_any(tmp_path: Path) -> None:
    assert joules(tmp_path) is None
    for package, value in enumerate(("1500000", "2500000")):
        folder = tmp_path / f"intel-rapl:{package}"
        folder.mkdir()
        (folder / "energy_uj").write_text(value)
    assert joules(tmp_path) == 4.0
