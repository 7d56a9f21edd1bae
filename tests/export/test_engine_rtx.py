"""The builder with the real TensorRT-RTX, which needs no GPU to build."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from convolutions import CARD, write_model
from onnx import helper

from edgessd.backends.engine.cache import engine_for
from edgessd.backends.engine.file import open_engine
from edgessd.backends.engine.report import describe_engine
from edgessd.commands.cli import run
from edgessd.errors import CardError, EngineError, ExportError, InputError
from edgessd.model.card import card_of, sidecar
from edgessd.util.files import file_sha256
from edgessd_export.engine.cache import Ensured, cache_folder, ensure_engine
from edgessd_export.engine.graph_input import external_files
from edgessd_export.engine.options import BuildOptions
from edgessd_export.engine.precision import proof_line

pytestmark = pytest.mark.skipif(
    find_spec("tensorrt_rtx") is None, reason="needs tensorrt_rtx: pip install tensorrt-rtx==1.7.1.116 (12 s, no GPU)"
)
TARGETS = ("8.6", "8.9", "12.0")


class Silence:
    """Phases that nobody watches."""

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        pass

    def step(self, phase: str, step: int) -> None:
        pass

    def finish(self, phase: str) -> None:
        pass


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def build(onnx_path: Path, **settings: object) -> Ensured:
    out = onnx_path.with_suffix(".engine")
    return ensure_engine(onnx_path, BuildOptions(**settings), Silence(), module="tensorrt_rtx", out=out)


def cached(onnx_path: Path, **settings: object) -> Ensured:
    return ensure_engine(onnx_path, BuildOptions(**settings), Silence(), module="tensorrt_rtx")


@pytest.mark.parametrize("batch", [None, 2], ids=["dynamic", "static"])
@pytest.mark.parametrize(
    ("precision", "convolutions"), [("fp32", {"fp32": 3}), ("fp16", {"fp16": 3}), ("int8", {"int8": 2, "fp32": 1})]
)
def test_every_precision_is_built_and_proven(
    tmp_path: Path, precision: str, convolutions: dict[str, int], batch: int | None
) -> None:
    result = build(write_model(tmp_path / "m.onnx", precision, batch=batch), compute_capabilities=TARGETS)
    engine = open_engine(result.path).engine
    assert engine["layers"]["convolutions_built"] == convolutions
    assert engine["layers"]["proven"]
    assert engine["compute_capabilities"] == list(TARGETS)
    assert engine["profile"] == ({"min": 2, "opt": 2, "max": 2} if batch else {"min": 1, "opt": 1, "max": 8})
    assert engine["tensors"] == [
        {"name": "image", "mode": "input", "dtype": "uint8", "shape": [batch or -1, 24, 32, 3]},
        {"name": "offsets", "mode": "output", "dtype": "float32", "shape": [batch or -1, 12, 4]},
        {"name": "scores", "mode": "output", "dtype": "float32", "shape": [batch or -1, 12, 2]},
    ]
    assert engine["engine_sha256"] == file_sha256(result.path)
    assert card_of(result.path).labels == CARD.labels


def test_the_proof_counts_what_the_graph_asks(tmp_path: Path) -> None:
    layers = build(write_model(tmp_path / "m.onnx", "int8")).card.engine["layers"]
    assert proof_line(layers) == "2 of 3 convolutions int8, 1 of 3 convolutions fp32 (build log)"


def test_a_card_that_claims_int8_over_a_float_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="says int8, its graph asks for 3 fp32 convolutions"):
        build(write_model(tmp_path / "m.onnx", "fp32", claimed="int8"))
    assert [path.name for path in tmp_path.glob("*.engine*")] == []


def test_an_unchanged_model_comes_from_the_cache(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    assert cached(model).reason == "first build"
    again = cached(model)
    assert not again.built
    assert again.path.parent == cache_folder()
    assert again.reason.startswith("same ONNX file, tensorrt_rtx ")


def test_a_changed_weight_option_or_version_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt_rtx

    model = write_model(tmp_path / "m.onnx")
    cached(model)
    write_model(model, weight=0.02)
    assert cached(model).reason == "the ONNX file changed"
    assert cached(model, level=1).reason == "option level None -> 1"
    monkeypatch.setattr(tensorrt_rtx, "__version__", "9.9.9")
    assert cached(model, level=1).reason == f"TensorRT version {_version()} -> 9.9.9"


def _version() -> str:
    from importlib.metadata import version

    return version("tensorrt-rtx")


def test_a_damaged_cached_engine_is_built_again(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    path = cached(model).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    again = cached(model)
    assert again.built
    assert "not the engine its card describes" in again.reason
    assert not cached(model).built


def test_the_cache_forgets_what_was_used_longest_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgessd_export.engine.cache.KEPT", 2)
    models = [tmp_path / f"{k}.onnx" for k in range(3)]
    for k, model in enumerate(models[:2]):
        cached(write_model(model, weight=0.01 + k / 100))
    cached(models[0])  # used again
    cached(write_model(models[2], weight=0.09))
    assert len(list(cache_folder().glob("*.engine"))) == len(list(cache_folder().glob("*.json"))) == 2
    assert not cached(models[0]).built
    assert cached(models[1]).built


def test_the_runtime_gets_its_engine_from_a_process_of_its_own(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    first, second = engine_for(model, module="tensorrt_rtx"), engine_for(model, module="tensorrt_rtx")
    assert (first.built, second.built) == (True, False)
    assert open_engine(second.path).name == "convolutions"
    with pytest.raises(EngineError, match=r"not a whole ONNX file"):
        engine_for(_noise(tmp_path), module="tensorrt_rtx")


def _noise(folder: Path) -> Path:
    path = folder / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    return path


def _truncated(folder: Path) -> Path:
    path = write_model(folder / "cut.onnx")
    path.write_bytes(path.read_bytes()[:1000])
    return path


def _unknown_operator(folder: Path) -> Path:
    node = helper.make_node("Wobble", ["columns"], ["more"], name="wobbler", domain="here")
    path = write_model(folder / "wobble.onnx", extra_node=node)
    model = onnx.load(str(path))
    model.opset_import.append(helper.make_opsetid("here", 1))
    onnx.save(model, str(path))
    return path


BAD: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "noise": (_noise, [], "is not a whole ONNX file"),
    "truncated": (_truncated, [], "is not a whole ONNX file"),
    "unknown operator": (_unknown_operator, [], "Wobble wobbler: "),
    "impossible profile": (lambda f: write_model(f / "m.onnx"), ["--min-batch", "4", "--max-batch", "2"], "min <= opt"),
    "fixed batch": (lambda f: write_model(f / "m.onnx", batch=2), ["--max-batch", "4"], "has the fixed batch 2"),
    "unknown capability": (
        lambda f: write_model(f / "m.onnx"),
        ["--compute-capability", "87"],
        "--compute-capability 8.7 is not one",
    ),
    "unsupported option": (
        lambda f: write_model(f / "m.onnx"),
        ["--version-compatible"],
        "--version-compatible is not",
    ),
    "dla": (lambda f: write_model(f / "m.onnx"), ["--dla", "0"], "--dla is not supported by tensorrt_rtx"),
    "no such folder": (lambda f: write_model(f / "m.onnx"), ["--out", "/nowhere/m.engine"], "does not exist"),
    "other suffix": (lambda f: write_model(f / "m.onnx"), ["--out", "m.trt"], "ends in .engine"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_line_and_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str) -> None:
    make, options, text = BAD[case]
    model = make(tmp_path)
    code = run(["build", str(model), "--module", "tensorrt_rtx", "--out", str(tmp_path / "x.engine"), *options])
    complaint = capfd.readouterr().err
    assert code in (1, 2)
    assert text in complaint
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*.engine*")] == []
    assert [path.name for path in tmp_path.rglob("*.unfinished*")] == []


def in_own_process(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Return how a process ended that was given the arguments of ``edgessd build``."""
    model = write_model(tmp_path / "m.onnx")
    arguments = ["build", str(model), "--module", "tensorrt_rtx", "--out", str(tmp_path / "x.engine")]
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def test_an_unwritable_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    # The limit makes write() fail half-way, as a full disk does.
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from edgessd.commands.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    done = in_own_process(script, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "m.onnx"]


class At(Silence):
    """Sends this process a signal at a build's first step."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def step(self, phase: str, step: int) -> None:
        os.kill(os.getpid(), self.number)
        self.number = signal.Signals(signal.SIGCONT)  # harmless from then on


def test_ctrl_c_stops_the_build_and_leaves_nothing(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    with pytest.raises(KeyboardInterrupt):
        ensure_engine(model, BuildOptions(), At(signal.SIGINT), module="tensorrt_rtx", out=tmp_path / "x.engine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "m.onnx"]
    assert build(model).built


def test_a_killed_build_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m.onnx")
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from edgessd_export.engine.cache import ensure_engine;"
        "from edgessd_export.engine.options import BuildOptions\n"
        "class Kill:\n"
        "    def start(self, *a): pass\n"
        "    def finish(self, *a): pass\n"
        "    def step(self, *a): os.kill(os.getpid(), signal.SIGKILL)\n"
        "ensure_engine(Path(sys.argv[1]), BuildOptions(), Kill(), module='tensorrt_rtx')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(model)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in cache_folder().iterdir()] == [".lock"]
    (cache_folder() / ".m.0123.unfinished.engine").write_bytes(b"left by a process killed while writing")
    result = cached(model)
    assert result.built
    assert {path.name for path in cache_folder().iterdir()} == {".lock", result.path.name, sidecar(result.path).name}


def test_the_verb_says_what_it_built_and_that_it_is_current(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = write_model(tmp_path / "m.onnx", "int8")
    arguments = ["build", str(model), "--module", "tensorrt_rtx", "--out", str(tmp_path / "x.engine")]
    assert run(arguments) == 0
    assert "2 of 3 convolutions int8" in capfd.readouterr().out
    assert run(arguments) == 0
    assert "is current" in capfd.readouterr().out


def test_the_engine_describes_itself(tmp_path: Path) -> None:
    path = build(write_model(tmp_path / "m.onnx", "int8"), compute_capabilities=("8.9",)).path
    card, rows = describe_engine(path)
    assert card.precision == "int8"
    assert rows["runs on"] == "compute capability 8.9"
    assert rows["convolutions"] == "3: 2 int8, 1 fp32"
    assert rows["tensors"].startswith("image uint8 (-1, 24, 32, 3); offsets float32 (-1, 12, 4)")
    assert "weights" in rows["memory"]


def test_info_shows_an_engine_and_refuses_changed_bytes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = build(write_model(tmp_path / "m.onnx")).path
    assert run(["info", str(path)]) == 0
    assert f"tensorrt_rtx {_version()} is the same" in capfd.readouterr().out
    path.write_bytes(path.read_bytes() + b"x")
    assert run(["info", str(path)]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_end2end_is_refused_for_rtx_with_the_reason(tmp_path: Path) -> None:
    model = onnx.load(str(write_model(tmp_path / "m.onnx")))
    model.metadata_props[0].value = CARD.with_changes(contract="end2end", kept=4).dumps()
    onnx.save(model, str(tmp_path / "m.onnx"))
    with pytest.raises(InputError, match=r"contract end2end, and tensorrt_rtx .* has no NMS layer"):
        build(tmp_path / "m.onnx")


def test_building_never_loads_torch_or_onnx(tmp_path: Path) -> None:
    script = (
        "import sys; from edgessd.commands.cli import run;"
        "assert run(sys.argv[1:]) == 0; print(sorted({'torch', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = in_own_process(script, tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


def test_weights_beside_the_file_belong_to_its_content(tmp_path: Path) -> None:
    model = onnx.load(str(write_model(tmp_path / "whole.onnx")))
    path = tmp_path / "m.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="m.data", size_threshold=0, convert_attribute=True)
    assert external_files(path) == [tmp_path / "m.data"]
    assert external_files(tmp_path / "whole.onnx") == []
    assert cached(path).reason == "first build"
    assert not cached(path).built
    content = bytearray((tmp_path / "m.data").read_bytes())
    content[-1] ^= 1
    (tmp_path / "m.data").write_bytes(content)
    assert cached(path).reason == "the ONNX file changed"
    (tmp_path / "m.data").unlink()
    with pytest.raises(CardError, match=r"m\.data, which is not beside it"):
        cached(path)


@pytest.mark.parametrize("location", ["../m.data", "/etc/hostname", ""])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    model = onnx.load(str(write_model(tmp_path / "m.onnx")))
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CardError, match="keeps weights outside its folder"):
        external_files(tmp_path / "m.onnx")


def test_the_cache_knows_content_and_not_names(tmp_path: Path) -> None:
    engines = set()
    for k in range(9):
        (tmp_path / str(k)).mkdir()
        engines.add(cached(write_model(tmp_path / str(k) / "model.onnx", weight=0.01 * (k + 1))).path)
    assert len(engines) == 9
    assert not any(cached(tmp_path / str(k) / "model.onnx").built for k in range(9))
    shutil.copy(tmp_path / "0" / "model.onnx", tmp_path / f"{'m' * 235}.onnx")
    assert not cached(tmp_path / f"{'m' * 235}.onnx").built


def test_an_engine_is_read_by_its_symbolic_link(tmp_path: Path) -> None:
    result = build(write_model(tmp_path / "m.onnx"))
    (tmp_path / "current.engine").symlink_to(result.path.name)
    assert open_engine(tmp_path / "current.engine") == open_engine(result.path)


def test_an_engine_written_elsewhere_needs_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    model = write_model(tmp_path / "m.onnx")
    assert build(model).built
    assert not build(model).built
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        cached(model)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not build(model).built
    with pytest.raises(InputError, match="set XDG_CACHE_HOME to a folder of this user, or give --out"):
        cached(model)
