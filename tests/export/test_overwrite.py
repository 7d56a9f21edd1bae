"""No verb writes over what it reads: names, dots, symbolic and hard links, cards of engines, files of a data set."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_network import small_checkpoint

from edgessd.commands.cli import run
from edgessd.errors import InputError
from edgessd.util.overwrite import keep_apart
from edgessd_training.checkpoint import save_checkpoint

TINY = Path(__file__).parents[1] / "runtime" / "tiny.onnx"


def link(kind: Callable[[Path, Path], object], target: Path, name: str) -> Path:
    path = target.with_name(name)
    kind(target, path)
    return path


def symbolic(target: Path, path: Path) -> None:
    path.symlink_to(target)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(TINY, tmp_path / "m.onnx")
    (tmp_path / "data" / "JPEGImages").mkdir(parents=True)
    (tmp_path / "data" / "JPEGImages" / "a.jpg").write_bytes(b"a picture")
    (tmp_path / "boxes.json").write_text("{}")
    return tmp_path


def test_an_input_is_never_an_output(folder: Path) -> None:
    model = folder / "m.onnx"
    outputs = [Path("m.onnx"), Path("./m.onnx"), folder / "data" / ".." / "m.onnx"]
    outputs += [
        link(symbolic, model, "symbolic.json"),
        link(lambda t, p: os.link(t, p), model, "hard.json"),
    ]
    for out in outputs:
        with pytest.raises(InputError, match="would be lost"):
            keep_apart({"--json": out}, [model])
    keep_apart({"--json": folder / "other.json", "--jsonl": "-", "--out": None}, [model, None, "rtsp://camera/1"])


def test_weights_beside_an_onnx_file_are_its_own(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    (folder / "weights").mkdir()
    model = onnx.load(folder / "m.onnx")
    onnx.save(model, folder / "w.onnx", save_as_external_data=True, location="w.data", size_threshold=0)
    for out in ("w.data", folder / "w.data", link(symbolic, folder / "w.data", "other.json")):
        with pytest.raises(InputError, match=r"holds weights of .*w\.onnx|would be lost"):
            keep_apart({"--json": out}, [folder / "w.onnx"])
    keep_apart({"--json": folder / "new.data"}, [folder / "w.onnx"])
    (folder / "boxes.data").write_bytes(b"")
    keep_apart({"--json": folder / "boxes.data"}, [folder / "w.onnx"])


def test_two_outputs_are_two_files(folder: Path) -> None:
    with pytest.raises(InputError, match="--jsonl and --out are one file"):
        keep_apart({"--out": folder / "x.json", "--jsonl": "x.json"}, [])


def test_cards_of_engines_and_files_of_data_sets(folder: Path) -> None:
    with pytest.raises(InputError, match="would be lost"):
        keep_apart({"--json": folder / "m.engine.json"}, [folder / "m.engine"])
    with pytest.raises(InputError, match="would be lost"):
        keep_apart({"--json": folder / "boxes.json"}, [f"coco:{folder / 'boxes.json'}@{folder / 'data'}"])
    with pytest.raises(InputError, match="a file of the input folder"):
        keep_apart({"--out": folder / "data" / "JPEGImages" / "a.jpg"}, [f"voc:{folder / 'data'}@val"])
    keep_apart({"--json": folder / "data" / "report.json"}, [f"voc:{folder / 'data'}@val"])


def test_every_verb_refuses_and_the_input_stays(folder: Path) -> None:
    checkpoint = small_checkpoint("sigmoid", 7)
    save_checkpoint(folder / "c.pt", checkpoint.network, checkpoint.description, checkpoint.card)
    link(symbolic, folder / "c.pt", "link.onnx")
    link(symbolic, folder / "m.onnx", "m.json")
    before = {path: path.read_bytes() for path in (folder / "c.pt", folder / "m.onnx", folder / "boxes.json")}
    data = f"coco:{folder / 'boxes.json'}@{folder / 'data'}"
    for words in (
        ["export", "c.pt", "--out", "link.onnx"],
        ["quantize", "c.pt", "--precision", "fp16", "--out", "link.onnx"],
        ["selftest", "m.onnx", "--backend", "onnxruntime", "--json", "m.onnx"],
        ["selftest", "m.onnx", "--backend", "onnxruntime", "--json", "m.json"],
        ["detect", "data", "--model", "m.onnx", "--jsonl", "m.json"],
        ["bench", "m.onnx", "--json", "m.json"],
        ["verify", "m.onnx", "c.pt", "--data", data, "--report", "m.json"],
        ["verify", "m.onnx", "m.onnx", "--data", data, "--report", "boxes.json"],
        ["eval", "m.onnx", "--data", data, "--json", "boxes.json"],
        ["eval", "m.onnx", "--data", data, "--detections", "m.json"],
        ["score", "boxes.json", "--data", data, "--json", "boxes.json"],
        ["import", "torchvision", "c.pt", "--out", "c.pt"],
        ["data", "check", data, "--json", "boxes.json"],
        ["data", "show", f"coco:boxes.json@{folder / 'data'}", "--out", "data/JPEGImages/a.jpg"],
    ):
        assert run(words) == 2, words
        assert {path: path.read_bytes() for path in before} == before, words
