"""A TensorRT engine file: what it is, whether it is the one its card describes, whether it runs here.

An engine is code that TensorRT executes, so its bytes are compared with the card's hash before anything loads it.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgessd.backends.cuda.library import Device, state
from edgessd.errors import EngineError
from edgessd.model.card import ModelCard, read_sidecar
from edgessd.util.files import file_sha256, readable

CAPABILITY = re.compile(r"\d{1,2}\.\d\+?")
SHA256 = re.compile(r"[0-9a-f]{64}")
# The options of `edgessd build` by their names in the card.
VALUES = {
    "workspace_mib": "--workspace",
    "level": "--level",
    "hardware_compatible": "--hardware-compatible",
    "dla": "--dla",
}
SWITCHES = {
    "low_memory": ("--low-memory", True),
    "version_compatible": ("--version-compatible", True),
    "timing_cache": ("--no-timing-cache", False),
    "tf32": ("--no-tf32", False),
}


def sealed(card: ModelCard) -> ModelCard:
    """Return an engine's card with its own hash, by which an edited card is found."""
    return card.with_changes(engine={**card.engine, "card_sha256": _card_sha256(card)})


def _card_sha256(card: ModelCard) -> str:
    value = card.as_json()
    value["engine"] = {key: item for key, item in value["engine"].items() if key != "card_sha256"}
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(type(item) in (int, float) for item in value.values())


def _is_tensor(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and _text(value.get("name"))
        and _text(value.get("dtype"))
        and isinstance(value.get("shape"), list)
        and all(type(size) is int for size in value["shape"])
    )


def _is_options(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    batches, targets = value.get("batches"), value.get("compute_capabilities") or []
    if not (batches is None or (isinstance(batches, list) and all(type(size) is int for size in batches))):
        return False
    if not (isinstance(targets, list) and all(map(_text, targets))):
        return False
    rest = (item for key, item in value.items() if key not in ("batches", "compute_capabilities"))
    return all(item is None or isinstance(item, str | int) for item in rest)


def _is_layers(value: Any) -> bool:
    tables = ("precisions", "convolutions_asked", "convolutions_built")
    return isinstance(value, Mapping) and all(_counts(value.get(key, {})) for key in tables)


def _sha256(value: Any) -> bool:
    return _text(value) and bool(SHA256.fullmatch(value))


# What an engine's card must hold about it, and what it may.
REQUIRED: Mapping[str, Callable[[Any], bool]] = {
    "module": _text,
    "version": _text,
    "compute_capabilities": lambda value: (
        isinstance(value, list) and all(_text(each) and CAPABILITY.fullmatch(each) for each in value)
    ),
    "gpu": lambda value: value is None or _text(value),
    "onnx_sha256": _sha256,
    "engine_sha256": _sha256,
    "tensors": lambda value: isinstance(value, list) and all(map(_is_tensor, value)),
    "profile": lambda value: _counts(value) and set(value) == {"min", "opt", "max"},
    "options": _is_options,
    "layers": _is_layers,
    "card_sha256": _sha256,
}
OPTIONAL: Mapping[str, Callable[[Any], bool]] = {
    "onnx": _text,
    "memory_bytes": _counts,
    "build": lambda value: isinstance(value, Mapping),
}


def check_engine_table(card: ModelCard, path: Path) -> None:
    """Raise EngineError where the card's ``engine`` lacks a value or holds one of another type."""
    engine = card.engine
    wrong = [key for key, right in REQUIRED.items() if key not in engine or not right(engine[key])]
    wrong += [key for key, right in OPTIONAL.items() if key in engine and not right(engine[key])]
    if wrong:
        fault = f"lacks engine.{wrong[0]}" if wrong[0] not in engine else f"has a wrong value in engine.{wrong[0]}"
        raise EngineError(f"the card of {path} {fault}", fix="build the engine again with `edgessd build M.onnx`")


def open_engine(path: Path) -> ModelCard:
    """Return the card of an engine whose bytes the card confirms.

    Raises CardError for a foreign file and an engine without a card, EngineError where engine or card were changed.
    """
    card = read_sidecar(readable(path, "engine"))
    check_engine_table(card, path)
    if card.engine["card_sha256"] != _card_sha256(card):
        raise rebuild(f"the card of {path} was edited after the build", card, path)
    found = file_sha256(path)
    if found != card.engine["engine_sha256"]:
        noted = str(card.engine["engine_sha256"])[:12]
        raise rebuild(f"{path} is not the engine its card describes (sha256 {found[:12]}, card {noted})", card, path)
    return card


def check_runs_here(card: ModelCard, path: Path, *, version: str | None, device: Device | None) -> None:
    """Raise EngineError where the TensorRT or the GPU here is not what the engine was built for.

    version: of the installed module that built it; what is None cannot be compared and passes.
    """
    check_version(card, path, version)
    if device is not None:
        check_gpu(card, path, device)


def check_version(card: ModelCard, path: Path, version: str | None) -> None:
    """Raise EngineError where the TensorRT here is not the one that built an engine; None passes."""
    engine = card.engine
    if version is not None and not _same_version(engine, version):
        raise rebuild(f"{path} was built by {engine['module']} {engine['version']}, here is {version}", card, path)


def check_gpu(card: ModelCard, path: Path, device: Device) -> None:
    """Raise EngineError where the GPU here is not what an engine was built for."""
    engine = card.engine
    targets = [str(target) for target in engine["compute_capabilities"]]
    if not any(runs_on(target, device.compute_capability) for target in targets):
        built_for, here = ", ".join(targets), device.compute_capability
        raise rebuild(f"{path} was built for compute capability {built_for}, this {device.name} has {here}", card, path)
    if engine["gpu"] not in (None, device.name) and not engine["options"].get("hardware_compatible"):
        raise rebuild(f"{path} was built on {engine['gpu']}, here is {device.name}", card, path)


def _same_version(engine: Mapping[str, Any], version: str) -> bool:
    """Return whether an engine's TensorRT is the one here; a version-compatible engine needs the same major only."""
    parts = 1 if engine["options"].get("version_compatible") else None
    return version.split(".")[:parts] == str(engine["version"]).split(".")[:parts]


def runs_on(target: str, compute_capability: str) -> bool:
    """Return whether a target such as ``8.6``, or ``8.0+`` for that and all newer, covers a GPU's."""
    if target.endswith("+"):
        return tuple(map(int, compute_capability.split("."))) >= tuple(map(int, target[:-1].split(".")))
    return target == compute_capability


def installed_version(module: str) -> str | None:
    """Return the version of a TensorRT module here, None where it is absent or does not load."""
    if module not in ("tensorrt", "tensorrt_rtx") or not find_spec(module):
        return None
    try:
        return str(import_module(module).__version__)
    # A wheel without its libraries raises ImportError, OSError or RuntimeError, by version.
    except Exception:  # noqa: BLE001
        return None


def rebuild_command(card: ModelCard, path: Path) -> str:
    """Return the command that builds this engine again with its options."""
    engine, options = card.engine, card.engine.get("options")
    words = ["edgessd", "build", str(engine.get("onnx", f"{card.name}.onnx")), "--out", str(path)]
    if engine.get("module") == "tensorrt_rtx":
        words += ["--module", "tensorrt_rtx"]
    given = options if isinstance(options, Mapping) else {}
    for name, value in zip(("--min-batch", "--opt-batch", "--max-batch"), given.get("batches") or (), strict=False):
        words += [name, str(value)]
    for target in given.get("compute_capabilities") or ():
        words += ["--compute-capability", str(target)]
    words += [word for key, name in VALUES.items() if given.get(key) is not None for word in (name, str(given[key]))]
    words += [name for key, (name, when) in SWITCHES.items() if given.get(key) is when]
    return shlex.join(words)


def rebuild(cause: str, card: ModelCard, path: Path) -> EngineError:
    """Return the error of an engine that must be built again, with the command that does."""
    command = rebuild_command(card, path)
    return EngineError(cause, fix=f"build it again with `{command}`", command=command)


def check_engine_here(card: ModelCard, path: Path) -> str:
    """Return what of this machine matches the engine, in words.

    Raises EngineError where its TensorRT or GPU differs from what the engine was built for.
    """
    module = str(card.engine["module"])
    version, devices = installed_version(module), state().devices
    check_runs_here(card, path, version=version, device=devices[0] if devices else None)
    here = f"{module} {version} is the same" if version else f"no {module} to compare with"
    return f"{here}; {f'runs on this {devices[0].name}' if devices else 'no CUDA device to compare with'}"
