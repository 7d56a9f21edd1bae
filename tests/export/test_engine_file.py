"""An engine file is believed only as far as its card confirms it; what it is can be said without TensorRT."""

import json
from pathlib import Path

import onnx
import pytest
from convolutions import CARD, write_model

from edgessd.backends.cuda.library import Device
from edgessd.backends.engine import cache as engine_cache
from edgessd.backends.engine.file import (
    check_runs_here,
    open_engine,
    rebuild_command,
    runs_on,
    sealed,
)
from edgessd.backends.engine.report import describe_engine
from edgessd.commands.cli import run
from edgessd.errors import BackendError, CardError, EngineError, InputError
from edgessd.model.card import ModelCard, read_sidecar, sidecar
from edgessd.model.engine_kind import kind_of, prefix_of
from edgessd.util.files import file_sha256
from edgessd_export.engine.graph_input import fixed_batch
from edgessd_export.engine.options import BuildOptions, capability_from_text, options_from_json
from edgessd_export.engine.trtexec import trtexec_line

RTX_4070 = Device("NVIDIA GeForce RTX 4070", "8.9", 12 << 30, 46, False)
ORIN = Device("Orin", "8.7", 8 << 30, 8, True)


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """An engine's bytes and card as the builder writes them; nothing could run it."""
    path = tmp_path / "m.engine"
    path.write_bytes(b"vtrt" + bytes(60))
    write_card(path, CARD)
    return path


def write_card(path: Path, card: ModelCard, **changes: object) -> None:
    facts = {
        "module": "tensorrt_rtx",
        "version": "1.7.1.116",
        "compute_capabilities": ["8.6", "8.9"],
        "gpu": None,
        "onnx_sha256": "0" * 64,
        "engine_sha256": file_sha256(path),
        "tensors": [{"name": "image", "mode": "input", "dtype": "uint8", "shape": [-1, 24, 32, 3]}],
        "profile": {"min": 1, "opt": 1, "max": 8},
        "options": BuildOptions().as_json(),
        "layers": {"total": 5, "precisions": {"int8": 2}, "convolutions": 2, "convolutions_built": {"int8": 2}},
        "memory_bytes": {"activation": 1_500_000},
    }
    sidecar(path).write_text(sealed(card.with_changes(engine={**facts, **changes})).dumps())


def test_a_confirmed_engine_opens_and_describes_itself(engine: Path) -> None:
    assert open_engine(engine).labels == ("blue", "red")
    _, rows = describe_engine(engine)
    assert rows["built by"] == "tensorrt_rtx 1.7.1.116, which needs no GPU to build"
    assert rows["batch"] == "min 1, best 1, max 8"
    assert rows["memory"] == "activation 1.5 MB"


def test_changed_bytes_are_refused_with_both_hashes_and_the_command(engine: Path) -> None:
    engine.write_bytes(engine.read_bytes() + b"x")
    found, recorded = file_sha256(engine)[:12], read_sidecar(engine).engine["engine_sha256"][:12]
    with pytest.raises(EngineError, match=rf"sha256 {found}, card {recorded}.*edgessd build convolutions\.onnx --out"):
        open_engine(engine)


@pytest.mark.parametrize(
    ("old", "new"), [('"red"', '"green"'), ('"nms_iou": 0.45', '"nms_iou": 0.9'), ('"max": 8', '"max": 64')]
)
def test_an_edited_card_is_refused(engine: Path, old: str, new: str) -> None:
    text = sidecar(engine).read_text()
    assert old in text
    sidecar(engine).write_text(text.replace(old, new))
    with pytest.raises(EngineError, match="edited after the build"):
        open_engine(engine)


def test_a_damaged_or_missing_card_is_refused(engine: Path) -> None:
    whole = sidecar(engine).read_text()
    sidecar(engine).write_text(whole[:-100])
    with pytest.raises(CardError, match="damaged"):
        open_engine(engine)
    value = json.loads(whole)
    del value["engine"]["tensors"]
    sidecar(engine).write_text(json.dumps(value))
    with pytest.raises(EngineError, match=r"lacks engine\.tensors"):
        open_engine(engine)
    sidecar(engine).unlink()
    with pytest.raises(CardError, match="a bare TensorRT-RTX engine, without a card"):
        open_engine(engine)


def test_foreign_engines_are_said_for_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "foreign.engine"
    path.write_bytes(b"ftrt" + bytes(100))
    assert kind_of(path) == "a bare TensorRT engine"
    metadata = json.dumps({"description": "a detector", "task": "detect", "imgsz": [640, 640], "names": {"0": "cat"}})
    path.write_bytes(len(metadata).to_bytes(4, "little") + metadata.encode() + b"ftrt" + bytes(100))
    assert prefix_of(path) == json.loads(metadata)
    assert kind_of(path) == (
        "an engine with another exporter's JSON before it "
        "(description a detector, task detect, imgsz [640, 640], classes 1)"
    )
    with pytest.raises(CardError, match="another exporter's JSON"):
        open_engine(path)
    for noise in (b"x", b"\x05\0\0\0{", b"\xff\xff\xff\x7f{}", b"\x02\0\0\0[]"):
        path.write_bytes(noise)
        assert kind_of(path) == "no TensorRT engine"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        kind_of(path)


def test_another_version_or_gpu_is_refused_naming_both(engine: Path) -> None:
    card = open_engine(engine)
    check_runs_here(card, engine, version=None, device=None)
    check_runs_here(card, engine, version="1.7.1.116", device=RTX_4070)
    with pytest.raises(EngineError, match=r"built by tensorrt_rtx 1\.7\.1\.116, here is 1\.8\.0\.1"):
        check_runs_here(card, engine, version="1.8.0.1", device=None)
    with pytest.raises(EngineError, match=r"compute capability 8\.6, 8\.9, this Orin has 8\.7"):
        check_runs_here(card, engine, version=None, device=ORIN)


def test_an_engine_of_tensorrt_belongs_to_its_gpu_unless_built_compatible(engine: Path) -> None:
    built = {
        "module": "tensorrt",
        "version": "10.3.0",
        "gpu": "NVIDIA GeForce RTX 4090",
        "compute_capabilities": ["8.9"],
    }
    write_card(engine, CARD, **built)
    with pytest.raises(EngineError, match="built on NVIDIA GeForce RTX 4090, here is NVIDIA GeForce RTX 4070"):
        check_runs_here(open_engine(engine), engine, version="10.3.0", device=RTX_4070)
    options = BuildOptions(hardware_compatible="ampere_plus", version_compatible=True).as_json()
    write_card(engine, CARD, **{**built, "compute_capabilities": ["8.0+"], "options": options})
    check_runs_here(open_engine(engine), engine, version="10.13.3.9", device=RTX_4070)
    with pytest.raises(EngineError, match=r"built by tensorrt 10\.3\.0, here is 11\.4\.0"):
        check_runs_here(open_engine(engine), engine, version="11.4.0", device=RTX_4070)


def test_the_rebuild_command_repeats_the_options(engine: Path) -> None:
    options = BuildOptions(
        batches=(1, 2, 4), level=4, low_memory=True, compute_capabilities=("8.9",), timing_cache=False, tf32=False
    )
    write_card(engine, CARD, options=options.as_json(), onnx="my model.onnx")
    command = rebuild_command(open_engine(engine), engine)
    assert command == (
        f"edgessd build 'my model.onnx' --out {engine} --module tensorrt_rtx --min-batch 1 "
        "--opt-batch 2 --max-batch 4 --compute-capability 8.9 --level 4 --low-memory --no-timing-cache --no-tf32"
    )


def test_a_builder_that_dies_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_cache, "BUILDER", "edgessd.no_such_builder")
    with pytest.raises(BackendError, match=r"ended without an answer \(exit code 1\).*--low-memory"):
        engine_cache.engine_for(tmp_path / "m.onnx")


def test_targets() -> None:
    assert runs_on("8.6", "8.6")
    assert not runs_on("8.6", "8.9")
    assert runs_on("8.0+", "12.0")
    assert not runs_on("8.0+", "7.5")


def test_the_batch_axis_is_read_from_the_graph(tmp_path: Path) -> None:
    assert fixed_batch(write_model(tmp_path / "m.onnx")) is None
    assert fixed_batch(write_model(tmp_path / "m.onnx", batch=3)) == 3
    (tmp_path / "noise.onnx").write_bytes(b"\x3a\x05abcde")
    with pytest.raises(CardError, match="no input with a batch axis"):
        fixed_batch(tmp_path / "noise.onnx")


def test_options_survive_json_and_unknown_ones_are_refused() -> None:
    options = BuildOptions(batches=(1, 2, 4), compute_capabilities=("8.6",), dla=1)
    assert options_from_json(json.loads(json.dumps(options.as_json()))) == options
    with pytest.raises(InputError, match="build options must be"):
        options_from_json({"fp16": True})


@pytest.mark.parametrize(("text", "capability"), [("86", "8.6"), ("8.6", "8.6"), ("120", "12.0"), ("sm_121", "12.1")])
def test_capabilities_are_taken_as_people_write_them(text: str, capability: str) -> None:
    assert capability_from_text(text) == capability


def test_the_trtexec_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "m.onnx")
    line = trtexec_line(model, Path("o.engine"), BuildOptions(batches=(1, 2, 4), tf32=False), "auto")
    assert line.split() == [
        "trtexec",
        f"--onnx={model}",
        "--saveEngine=o.engine",
        "--stronglyTyped",
        "--minShapes=image:1x24x32x3",
        "--optShapes=image:2x24x32x3",
        "--maxShapes=image:4x24x32x3",
        "--memPoolSize=workspace:1024M",
        "--noTF32",
        "--profilingVerbosity=detailed",
        "--skipInference",
    ]
    assert run(["build", str(model), "--print-trtexec", "--module", "tensorrt_rtx", "--compute-capability", "89"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("tensorrt_rtx --onnx=")
    assert "--computeCapabilities=89" in printed
    fixed = trtexec_line(write_model(tmp_path / "m.onnx", batch=2), None, BuildOptions(), "auto")
    assert "Shapes" not in fixed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--min-batch", "4", "--max-batch", "2"], "batches must satisfy"),
        (["--level", "9"], "--level must be 0 to 5"),
        (["--workspace", "-5"], "--workspace must be at least 1 MiB"),
        (["--hardware-compatible", "turing"], "it offers ampere_plus"),
        (["--compute-capability", "8.9"], "--compute-capability is not supported by tensorrt"),
        (["--dla", "7"], "--dla must be 0 to 1"),
        (["--module", "tensorrt_rtx", "--dla", "0"], "--dla is not supported by tensorrt_rtx"),
        (["--module", "tensorrt_rtx", "--compute-capability", "6.1"], "is not one that tensorrt_rtx"),
        (["--module", "trtexec"], "unknown TensorRT module"),
        (["--out", "m.plan"], "ends in .engine"),
    ],
)
def test_a_trtexec_line_is_checked_as_a_build_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert run(["build", str(write_model(tmp_path / "m.onnx")), "--print-trtexec", *options]) == 2
    shown = capsys.readouterr()
    assert says in " ".join(shown.err.split())
    assert shown.out == ""


@pytest.mark.parametrize("words", [["--module", "tensorrt_rtx"], ["--print-trtexec"]])
def test_int8_for_cpus_names_the_file_for_tensorrt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    card = CARD.with_changes(precision="int8", quantisation={"for": "cpu"})
    own = write_model(tmp_path / "own.onnx")
    model = onnx.load(str(own))
    model.metadata_props[0].value = card.dumps()
    onnx.save(model, str(own))
    assert run(["build", str(own), *words]) == 2
    assert "--precision int8 --for tensorrt" in " ".join(capsys.readouterr().err.split())


WRONG_VALUES: dict[str, object] = {
    "module": 7,
    "compute_capabilities": ["newest"],
    "gpu": 4090,
    "tensors": ["image"],
    "profile": {"min": 1},
    "options": {"batches": 5},
    "layers": {"precisions": [1]},
    "engine_sha256": "x",
    "memory_bytes": {"weights": "many"},
    "build": [],
}


@pytest.mark.parametrize("key", WRONG_VALUES)
def test_a_wrong_value_about_an_engine_is_one_line(engine: Path, key: str) -> None:
    write_card(engine, CARD, **{key: WRONG_VALUES[key]})
    with pytest.raises(EngineError, match=rf"has a wrong value in engine\.{key}"):
        open_engine(engine)
