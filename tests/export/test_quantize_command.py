"""``edgessd quantize`` and ``edgessd verify`` as a user runs them, on one small network."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from small_network import small_checkpoint

from edgessd.commands.cli import run
from edgessd.model.card import card_of
from edgessd_export.images import for_gate, image_paths, inputs, variety_warning
from edgessd_export.parity.verdict import Judge, Judged, Verdict
from edgessd_training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two checkpoints, four images, their boxes, and the first checkpoint in int8."""
    folder = tmp_path_factory.mktemp("quantize")
    for name, seed in (("own.pt", 7), ("other.pt", 8)):
        checkpoint = small_checkpoint("sigmoid", seed)
        save_checkpoint(folder / name, checkpoint.network, checkpoint.description, checkpoint.card)
    (folder / "images").mkdir()
    random = np.random.default_rng(5)
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "height": 90, "width": 160} for k in range(4)],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1 + k % 3, "bbox": [10, 20, 50, 40], "area": 2000, "iscrowd": 0}
            for k in range(4)
        ],
        "categories": [{"id": k, "name": name} for k, name in enumerate(("cat", "dog", "hen"), start=1)],
    }
    (folder / "boxes.json").write_text(json.dumps(content))
    for k in range(4):
        coarse = random.integers(0, 256, size=(6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{k}.png"), cv2.resize(coarse, (160, 90)))
    arguments = ["--precision", "int8", "--calibration", str(folder / "images"), "--ranges", str(folder / "r.json")]
    assert run(["quantize", str(folder / "own.pt"), "--out", str(folder / "int8.onnx"), *arguments]) == 0
    return folder


def verify(folder: Path, reference: str, candidate: str, *options: str) -> int:
    data = f"coco:{folder / 'boxes.json'}@{folder / 'images'}"
    return run(["verify", str(folder / reference), str(folder / candidate), "--data", data, *options])


def test_int8_carries_how_it_was_made(folder: Path) -> None:
    card = card_of(folder / "int8.onnx")
    assert card.precision == "int8"
    assert card.quantisation["for"] == "cpu"
    assert card.quantisation["calibration_images"] == 4
    assert set(card.self_test["samples"]) == {"offsets", "scores"}
    assert len(json.loads((folder / "r.json").read_text())["ranges"]) > 30


def test_verify_passes_what_was_made_from_the_checkpoint(folder: Path) -> None:
    assert verify(folder, "own.pt", "int8.onnx", "--report", str(folder / "report.json")) == 0
    report = json.loads((folder / "report.json").read_text())
    assert report["passed"]
    assert report["images"] == 4
    assert report["boxes"]["matched_reference"] > 0.9
    assert {"offsets", "scores"} == set(report["tensors"])


def test_verify_refuses_the_file_of_another_checkpoint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder, "other.pt", "int8.onnx") == 1
    assert "is refused: offsets differ by" in " ".join(capsys.readouterr().err.split())


def test_ranges_of_another_checkpoint_are_refused_and_nothing_is_left(folder: Path) -> None:
    arguments = ["--precision", "int8", "--ranges", str(folder / "r.json"), "--out", str(folder / "wrong.onnx")]
    assert run(["quantize", str(folder / "other.pt"), *arguments]) == 2
    assert not list(folder.glob("*wrong*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--precision", "int4"], "--precision is one of fp16, int8, got 'int4'"),
        (["--precision", "int8"], "give --calibration DATA"),
        (["--precision", "fp16", "--keep-float", "auto"], "leave the int8 options out"),
        (["--precision", "fp16", "--sensitivity", "s.png"], "leave the int8 options out"),
        (["--precision", "int8", "--ranges", "r.json", "--sensitivity", "s.png"], "--sensitivity needs images"),
        (["--precision", "int8", "--ranges", "r.json", "--for", "npu"], "--for is one of cpu, tensorrt"),
        (["--precision", "int8", "--ranges", "r.json", "--keep-float", "auto"], "give labelled images with --data"),
    ],
)
def test_wrong_options_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert run(["quantize", str(folder / "own.pt"), "--out", str(folder / "x.onnx"), *options]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_verify_refuses_files_it_does_not_know(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(folder, "own.pt", "r.json") == 2
    assert "compares .pt, .onnx and .engine files" in capsys.readouterr().err
    assert verify(folder, "own.pt", "missing.onnx") == 2


def lens(folder: Path, count: int, level: int) -> Path:
    """Return a folder with pictures of a covered lens: one colour, and the noise of a camera in the dark."""
    folder.mkdir()
    random = np.random.default_rng(level)
    for k in range(count):
        cv2.imwrite(str(folder / f"{k}.png"), random.integers(level, level + 3, (90, 160, 3)).astype(np.uint8))
    return folder


@pytest.mark.parametrize("level", [0, 128])
def test_a_covered_lens_is_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], level: int) -> None:
    pictures = lens(tmp_path / "lens", 20, level)
    arguments = ["--precision", "int8", "--calibration", str(pictures), "--out", str(tmp_path / "m.onnx")]
    run(["quantize", str(folder / "own.pt"), *arguments])
    assert "calibration images are of one colour" in " ".join(capsys.readouterr().err.split())


def test_pictures_of_one_scene_are_told_and_different_ones_are_not(folder: Path, tmp_path: Path) -> None:
    assert variety_warning(image_paths(str(folder / "images"))) is None
    picture = cv2.imread(str(folder / "images" / "0.png"))
    for k in range(5):
        noise = np.random.default_rng(k).integers(-8, 9, picture.shape)
        cv2.imwrite(str(tmp_path / f"{k}.png"), (picture + noise).clip(0, 255).astype(np.uint8))
    assert "look alike" in str(variety_warning(image_paths(str(tmp_path))))


def test_the_gate_sees_what_calibration_does_not(folder: Path, tmp_path: Path) -> None:
    pictures = str(lens(tmp_path / "lens", 20, 0))
    card = card_of(folder / "int8.onnx")
    data = f"coco:{folder / 'boxes.json'}@{folder / 'images'}"
    labelled = for_gate(pictures, data, 500)
    assert len(labelled.seen) == 20
    assert {image.tobytes() for image in labelled.held_out(card)} == {
        image.tobytes() for image in inputs(image_paths(data), card.height, card.width)
    }
    alone = for_gate(pictures, None, 500)
    assert (len(alone.seen), len(alone.held_out(card))) == (12, 8)
    some = for_gate(pictures, None, 10)
    assert (len(some.seen), len(some.held_out(card))) == (10, 8)
    few = for_gate(str(folder / "images"), None, 500)
    assert (len(few.seen), len(few.held_out(card))) == (4, 4)


def test_a_file_over_the_budget_is_not_left(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.onnx"
    out.write_bytes(b"an earlier one")
    over = Judged(Verdict.OVER_BUDGET, "INT8 is over the budget of 0.005: 0.0080 mAP lost")
    monkeypatch.setattr(Judge, "verdict", lambda *_: over)
    data = f"coco:{folder / 'boxes.json'}@{folder / 'images'}"
    arguments = ["--precision", "int8", "--calibration", str(folder / "images"), "--data", data, "--out", str(out)]
    assert run(["quantize", str(folder / "own.pt"), *arguments]) == 1
    assert "over the budget of 0.005" in " ".join(capsys.readouterr().err.split())
    assert out.read_bytes() == b"an earlier one"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_figures_of_the_float_network_are_not_the_quantised_ones(folder: Path, tmp_path: Path) -> None:
    checkpoint = small_checkpoint("sigmoid", 7)
    card = checkpoint.card.with_changes(metrics={"voc07": {"mAP": 0.75}})
    save_checkpoint(tmp_path / "m.pt", checkpoint.network, checkpoint.description, card)
    for precision, more in (("fp16", []), ("int8", ["--calibration", str(folder / "images")])):
        out = tmp_path / f"{precision}.onnx"
        assert run(["quantize", str(tmp_path / "m.pt"), "--precision", precision, "--out", str(out), *more]) == 0
        assert card_of(out).metrics == {}
    assert run(["export", str(tmp_path / "m.pt"), "--out", str(tmp_path / "fp32.onnx")]) == 0
    assert card_of(tmp_path / "fp32.onnx").metrics == {"voc07": {"mAP": 0.75}}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: float) -> None:
    checkpoint = small_checkpoint("sigmoid", 7)
    name, weights = next(iter(checkpoint.network.named_parameters()))
    with torch.no_grad():
        weights.view(-1)[0] = bad
    save_checkpoint(tmp_path / "c.pt", checkpoint.network, checkpoint.description, checkpoint.card)
    for verb in (["export"], ["quantize", "--precision", "fp16"]):
        assert run([*verb, str(tmp_path / "c.pt"), "--out", str(tmp_path / "m.onnx")]) == 1
        said = " ".join(capsys.readouterr().err.split())
        assert f"weights {name} hold NaN or infinity" in said
        assert "what was exported" not in said
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["model", "model.ONNX", "model.pt", "model.engine"])
def test_a_name_that_nothing_reads_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for verb in (["export"], ["quantize", "--precision", "fp16"]):
        assert run([*verb, str(folder / "own.pt"), "--out", str(tmp_path / name)]) == 2
        assert "ends in .onnx" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
