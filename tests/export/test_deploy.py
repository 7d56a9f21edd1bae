"""``edgessd deploy``: one folder a kind of machine, whole or not there; and what it refuses."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_network import small_checkpoint

from edgessd import Detector
from edgessd.commands.cli import run
from edgessd.config import read_config
from edgessd.model.card import card_of
from edgessd_training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deploy") / "net.pt"
    network = small_checkpoint("sigmoid", 7)
    save_checkpoint(path, network.network, network.description, network.card)
    return path


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_for_a_cpu_without_images_it_is_fp32_and_says_why(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cpu"
    assert run(["deploy", str(checkpoint), "--out", str(out)]) == 0
    assert "no int8: int8 needs images to calibrate on" in " ".join(capsys.readouterr().out.split())
    assert names(out) == {"README.md", "card.json", "labels.txt", "model.onnx", "streams.toml"}
    card = card_of(out / "model.onnx")
    assert card.precision == "fp32"
    assert json.loads((out / "card.json").read_text())["labels"] == list(card.labels)
    config = read_config(out / "streams.toml")
    assert Path(config.model.path).name == "model.onnx"
    with Detector(out / "model.onnx") as detector:
        detector.detect(np.zeros((90, 160, 3), np.uint8))


def test_for_a_cpu_with_images_it_is_int8_behind_the_gate(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(5)
    boxes = [
        {"id": k, "image_id": k, "category_id": 1 + k % 3, "bbox": [10, 20, 50, 40], "area": 2000, "iscrowd": 0}
        for k in range(6)
    ]
    content = {
        "images": [{"id": k, "file_name": f"{k}.png", "height": 90, "width": 160} for k in range(6)],
        "annotations": boxes,
        "categories": [{"id": k, "name": name} for k, name in enumerate(("cat", "dog", "hen"), start=1)],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    for k in range(6):
        coarse = random.integers(0, 256, size=(6, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{k}.png"), cv2.resize(coarse, (160, 90)))
    out, data = tmp_path / "cpu", f"coco:{tmp_path / 'boxes.json'}@{tmp_path / 'images'}"
    command = ["deploy", str(checkpoint), "--out", str(out), "--calibration", data, "--data", data]
    assert run([*command, "--max-map-drop", "1"]) == 0
    models = {path.name: card_of(path).precision for path in out.glob("*.onnx")}
    assert models["model.onnx"] in ("int8", "fp32")  # fp32 where int8 is slower here
    assert sorted(models.values()) == ["fp32", "int8"]
    assert "passed the gate" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("target", "contract", "files"),
    [
        ("jetson", "compact", {"model.onnx", "streams.toml"}),
        (
            "triton",
            "end2end",
            {
                "model_repository/small/1/model.onnx",
                "model_repository/small/config.pbtxt",
                "model_repository/small_pictures/1/model.onnx",
                "model_repository/small_pictures/1/model.py",
                "model_repository/small_pictures/config.pbtxt",
            },
        ),
        ("web", "end2end", {"model.onnx", "detect.js", "index.html", "package.json"}),
    ],
)
def test_other_machines_get_their_contract(
    checkpoint: Path, tmp_path: Path, target: str, contract: str, files: set[str]
) -> None:
    out = tmp_path / target
    assert run(["deploy", str(checkpoint), "--for", target, "--out", str(out), "--no-build"]) == 0
    there = names(out)
    assert there - {"README.md", "card.json", "labels.txt"} == files
    for model in out.rglob("model.onnx"):
        assert card_of(model).contract == contract


def test_for_a_jetson_the_engine_is_what_runs(checkpoint: Path, tmp_path: Path) -> None:
    """It is built on the board first, by the README's first command; an ONNX file would run on the CPU."""
    out = tmp_path / "jetson"
    assert run(["deploy", str(checkpoint), "--for", "jetson", "--out", str(out), "--no-build"]) == 0
    assert 'path = "model.engine"' in (out / "streams.toml").read_text()
    commands = [line.strip() for line in (out / "README.md").read_text().splitlines() if line.startswith("    ")]
    assert commands[0].startswith("edgessd build model.onnx --out model.engine")
    assert "--model model.engine" in commands[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "toaster"], "--for is one of cpu, jetson, rtx, triton, web"),
        (["--precision", "int4"], "--precision is one of"),
        (["--for", "cpu", "--precision", "fp16"], "CPUs compute fp16 slowly"),
        (["--precision", "int8"], "int8 needs images to calibrate on"),
    ],
)
def test_what_it_refuses_leaves_nothing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert run(["deploy", str(checkpoint), "--out", str(tmp_path / "out"), *options]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_not_replaced(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for removable in (False, True):
        assert run(["deploy", str(checkpoint), "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert "is there already" in said
        assert ("rm -r" in said) == removable  # what deploy has not made may be anything
        (out / "card.json").touch()
