"""The builder's way through TensorRT 10.3 to 11.4, on stand-ins that know each version's calls; none ran on a GPU."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from convolutions import CARD, write_model
from stand_in_tensorrt import World, signatures

from edgessd.backends.cuda.library import Device
from edgessd.errors import BackendError, ExportError, InputError
from edgessd_export.engine import module as engine_module
from edgessd_export.engine.builder import Built, build
from edgessd_export.engine.module import TensorRT, abilities, load_tensorrt
from edgessd_export.engine.options import BuildOptions

VERSIONS = [version for version in signatures() if version != "1.7.1.116"]
TEN = [version for version in VERSIONS if version.startswith("10.")]
ELEVEN = [version for version in VERSIONS if version.startswith("11.")]
ORIN = Device("Orin", "8.7", 8 << 30, 8, True)
SILENCE: Any = SimpleNamespace(start=lambda *a: None, step=lambda *a: None, finish=lambda *a: None)
RECORDER = Path(__file__).with_name("record_tensorrt_signatures.py")


def inspected(datatype: str, node: str = "stem") -> str:
    """Return an engine inspector's answer for one convolution."""
    layer = {
        "Name": f"{node} + relu",
        "LayerType": "CaskConvolution",
        "Inputs": [{"Name": "stem_in", "Dimensions": [1, 3, 24, 32], "Format/Datatype": datatype}],
        "Weights": {"Type": "Int8", "Count": 3072},
        "Metadata": f"[ONNX Layer: {node}]\x1e[ONNX Layer: relu]",
    }
    copy = {**layer, "Name": "copy", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Row major linear FP32"}]}
    return json.dumps({"Layers": [layer, copy], "Bindings": ["image"]})


WORDS = {
    "fp32": "Row major linear FP32",
    "fp16": "Channel major FP16 format where channel % 8 == 0",
    "int8": "Thirty-two wide channel vectorized row major Int8 format",
}


def built_by(version: str, tmp_path: Path, precision: str = "fp32", **settings: Any) -> tuple[World, Built]:
    options = BuildOptions(**settings.pop("options", {}))
    timing_cache = settings.pop("timing_cache", b"")
    world = World(version, precision=precision, **{"inspector": inspected(WORDS[precision]), **settings})
    found = TensorRT(world.module, abilities(world.module), ORIN)
    model = write_model(tmp_path / "m.onnx", precision)
    card = CARD.with_changes(precision=precision)
    built = build(model, card, options, found, SILENCE, onnx_sha256="0" * 64, timing_cache=timing_cache)
    return world, built


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_one_strongly_typed_way_for_all(tmp_path: Path, version: str, precision: str) -> None:
    world, built = built_by(version, tmp_path, precision)
    strong = 1 << int(world.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert world.calls("Builder.create_network") == [(strong,)]
    assert world.calls("IBuilderConfig.set_flag") == []
    engine = built.card.engine
    assert (engine["module"], engine["version"], engine["gpu"]) == ("tensorrt", version, "Orin")
    assert engine["compute_capabilities"] == ["8.7"]
    assert engine["layers"]["convolutions_built"] == {precision: 1}
    assert engine["layers"]["source"] == "engine inspector"
    assert engine["memory_bytes"] == {"activation": 4096}
    shapes = [(batch, 24, 32, 3) for batch in (1, 1, 8)]
    assert world.calls("IOptimizationProfile.set_shape") == [("image", *shapes)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_option_reaches_the_configuration(tmp_path: Path, version: str) -> None:
    options = {
        "workspace_mib": 64,
        "low_memory": True,
        "level": 5,
        "version_compatible": True,
        "hardware_compatible": "ampere_plus",
        "tf32": False,
        "batches": (2, 4, 6),
    }
    world, built = built_by(version, tmp_path, options=options)
    trt = world.module
    assert world.calls("IBuilderConfig.set_memory_pool_limit") == [(trt.MemoryPoolType.WORKSPACE, 64 << 20)]
    assert world.calls("IBuilderConfig.builder_optimization_level") == [5]
    assert world.calls("IBuilderConfig.max_aux_streams") == [0]
    assert world.calls("IBuilderConfig.set_flag") == [(trt.BuilderFlag.VERSION_COMPATIBLE,)]
    assert world.calls("IBuilderConfig.clear_flag") == [(trt.BuilderFlag.TF32,)]
    assert world.calls("IBuilderConfig.hardware_compatibility_level") == [trt.HardwareCompatibilityLevel.AMPERE_PLUS]
    assert world.calls("Runtime.engine_host_code_allowed") == [True]
    assert built.card.engine["compute_capabilities"] == ["8.0+"]
    assert built.card.engine["profile"] == {"min": 2, "opt": 4, "max": 6}


def test_a_level_that_a_version_lacks_is_refused_by_name(tmp_path: Path) -> None:
    options = {"hardware_compatible": "same_compute_capability"}
    with pytest.raises(InputError, match=r"--hardware-compatible is not supported by tensorrt 10\.3\.0: .*ampere_plus"):
        built_by("10.3.0", tmp_path, options=options)
    built_by("10.13.3.9", tmp_path, options=options)


@pytest.mark.parametrize("version", VERSIONS)
def test_target_capabilities_are_for_rtx_alone(tmp_path: Path, version: str) -> None:
    with pytest.raises(InputError, match="--compute-capability is not supported by tensorrt"):
        built_by(version, tmp_path, options={"compute_capabilities": ("8.9",)})


@pytest.mark.parametrize("version", TEN)
def test_the_dla_of_ten_is_weakly_typed_fp16_with_gpu_fallback(tmp_path: Path, version: str) -> None:
    options = {"dla": 1, "batches": (1, 1, 1)}
    world, _ = built_by(version, tmp_path, "fp16", options=options, dla_cores=2)
    flags = world.module.BuilderFlag
    assert world.calls("Builder.create_network") == [(0,)]
    assert world.calls("IBuilderConfig.set_flag") == [(flags.GPU_FALLBACK,), (flags.FP16,)]
    assert world.calls("IBuilderConfig.DLA_core") == [1]
    assert world.calls("Runtime.DLA_core") == [1]
    with pytest.raises(InputError, match="only fp16 on the DLA without calibrators"):
        built_by(version, tmp_path, "int8", options=options, dla_cores=2)


@pytest.mark.parametrize("version", ELEVEN)
def test_the_dla_of_eleven_is_strongly_typed_and_placed_by_the_parser(tmp_path: Path, version: str) -> None:
    world, _ = built_by(version, tmp_path, "int8", options={"dla": 0, "batches": (1, 1, 1)}, dla_cores=1)
    trt = world.module
    assert world.calls("Builder.create_network") == [(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),)]
    assert world.calls("IBuilderConfig.set_flag") == [(trt.BuilderFlag.GPU_FALLBACK,)]
    placed = [(trt.OnnxParserFlag.REPORT_CAPABILITY_DLA,), (trt.OnnxParserFlag.ADJUST_FOR_DLA,)]
    assert world.calls("OnnxParser.set_flag") == placed
    assert len(world.calls("OnnxParser.set_builder_config")) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [({"dla": 0, "batches": (1, 1, 1)}, "finds 0 DLA cores here"), ({"dla": 0}, "the DLA takes one batch size")],
)
def test_a_dla_that_cannot_be_used_is_refused(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    cores = 1 if "one batch" in text else 0
    with pytest.raises(InputError, match=text):
        built_by("10.3.0", tmp_path, "fp16", options=options, dla_cores=cores)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_timing_cache_is_kept_or_started_anew(tmp_path: Path, version: str) -> None:
    world, built = built_by(version, tmp_path, timing_cache=b"earlier")
    assert world.calls("IBuilderConfig.create_timing_cache") == [(b"earlier",)]
    assert built.timing_cache == b"timings"
    world, _ = built_by(version, tmp_path, timing_cache=b"of another GPU", timing_cache_fits=False)
    assert world.calls("IBuilderConfig.create_timing_cache") == [(b"of another GPU",), (b"",)]
    _, built = built_by(version, tmp_path, options={"timing_cache": False})
    assert built.timing_cache is None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_refusal_is_noticed_and_passed_on(tmp_path: Path, version: str) -> None:
    errors = [("NonMaxSuppression", "node_nms", "no importer"), ("Wobble", "w2", "unknown\noperator")]
    with pytest.raises(ExportError, match=r"NonMaxSuppression node_nms: no importer .*; Wobble w2: unknown operator"):
        built_by(version, tmp_path, parser_errors=errors)
    with pytest.raises(ExportError, match=r"cannot build .*: Error Code 10: no implementation for node stem"):
        built_by(version, tmp_path, plan=None, log_lines=[("ERROR", "Error Code 10: no implementation for node stem")])
    with pytest.raises(ExportError, match="cannot load the engine it built"):
        built_by(version, tmp_path, loads=False)
    with pytest.raises(InputError, match="refuses the profile"):
        built_by(version, tmp_path, profile_index=-1)
    with pytest.raises(ExportError, match="not the JSON expected"):
        built_by(version, tmp_path, inspector="stem + relu")


def test_another_precision_than_asked_fails_and_an_untold_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"1 of 1 convolutions are not built .*\(stem int8 -> fp16\)"):
        built_by("10.3.0", tmp_path, "int8", inspector=inspected(WORDS["fp16"]))
    _, built = built_by("10.3.0", tmp_path, "int8", inspector=inspected(WORDS["int8"], node="{ForeignNode[a...b]}"))
    assert built.card.engine["layers"]["not_reported"] == 1
    assert not built.card.engine["layers"]["proven"]


def test_weights_tell_where_a_dynamic_batch_hides_the_formats(tmp_path: Path) -> None:
    _, built = built_by("10.3.0", tmp_path, "int8", inspector=inspected("N/A due to dynamic shapes"))
    assert built.card.engine["layers"]["convolutions_built"] == {"int8": 1}


def test_warnings_reach_the_caller_once(tmp_path: Path) -> None:
    lines = [("WARNING", "weights\n out of range"), ("WARNING", "weights out of range"), ("VERBOSE", "chatter")]
    _, built = built_by("11.4.0.106", tmp_path, log_lines=lines)
    assert built.warnings == ("weights out of range",)


def test_the_stand_in_refuses_calls_a_version_lacks() -> None:
    world = World("11.4.0.106")
    config = world.module.Builder(None).create_builder_config()
    with pytest.raises(AttributeError):
        config.int8_calibrator = None
    with pytest.raises(TypeError):
        config.set_timing_cache(b"")
    with pytest.raises(AttributeError):
        world.module.BuilderFlag.FP16  # noqa: B018


@pytest.mark.parametrize("name", ["tensorrt", "auto"])
def test_without_a_driver_tensorrt_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if Path("/dev/nvidiactl").exists():
        pytest.skip("needs a machine without an NVIDIA driver")
    (tmp_path / "tensorrt.py").write_text("raise AssertionError('imported without a driver')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BackendError, match="tensorrt_rtx"):
        load_tensorrt(name)


def test_a_module_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.11: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(engine_module, "_gpu_for_tensorrt", lambda: ORIN)
    with pytest.raises(BackendError, match=r"tensorrt is installed but does not load \(libnvinfer\.so\.11"):
        load_tensorrt("tensorrt")


@pytest.mark.parametrize("name", ["tensorrt_rtx", "tensorrt_lean_bindings", "tensorrt_bindings"])
def test_the_table_is_what_the_installed_bindings_offer(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"needs {name}, whose signatures are compared in a process of its own")
    done = subprocess.run(
        [sys.executable, str(RECORDER), name], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode and "tensorrt_bindings" in name:
        pytest.skip("tensorrt_bindings does not load without TensorRT's libraries")
    assert done.returncode == 0, done.stderr
    ((version, found),) = json.loads(done.stdout).items()
    recorded = signatures()
    if version not in recorded:
        pytest.skip(f"{name} {version} is not in the table; record it with record_tensorrt_signatures.py")
    # The lean bindings hold the runtime's half of the API: what they have must be what was recorded.
    for kind, entry in found.items():
        assert entry == recorded[version][kind], kind
