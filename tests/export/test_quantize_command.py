"""``edgessd quantize`` and ``edgessd verify`` as a user runs them, on one small network."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_network import small_checkpoint

from edgessd.commands.cli import run
from edgessd.model.card import card_of
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
