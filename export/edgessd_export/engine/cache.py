"""Engines kept per content: an unchanged model is not built twice, and a changed one never served stale."""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgessd.backends.engine.cache import cache_path
from edgessd.backends.engine.file import file_sha256, open_engine
from edgessd.errors import CardError, EngineError, InputError
from edgessd.model.card import ModelCard, card_of, sidecar
from edgessd.util.files import readable, replacing, with_room, writable
from edgessd_export.engine.builder import build, write_engine
from edgessd_export.engine.listeners import Phases
from edgessd_export.engine.module import TensorRT, load_tensorrt
from edgessd_export.engine.options import BuildOptions, check_model, check_options

KEPT_PER_MODEL = 8
KEY_DIGITS = 16
# An engine with its timing cache is about as large as its ONNX file; the rest is for the build's own files.
ROOM_PER_ONNX_BYTE, ROOM_BESIDES = 3, 16_000_000
FIRST = "first build"


@dataclass(frozen=True)
class Ensured:
    """An engine that is current: where it lies, its card, and whether and why it was built now."""

    path: Path
    card: ModelCard
    built: bool
    reason: str
    warnings: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Return the folder of cached engines, made if needed; only its owner may enter, an engine being code."""
    folder = cache_path()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(
            f"cannot make the engine cache {folder}: {error.strerror}", fix="set XDG_CACHE_HOME or give --out"
        ) from error
    return folder


def ensure_engine(
    onnx: Path,
    options: BuildOptions,
    phases: Phases,
    *,
    module: str = "auto",
    out: Path | None = None,
    rebuild: bool = False,
) -> Ensured:
    """Return an engine of an ONNX file that is current, built if it was not; out is a place of its own.

    Current means: same ONNX bytes, TensorRT module and version, GPU and options, engine and card undamaged.
    Builds of one user run one after the other. Raises what ``load_tensorrt`` and ``build`` raise, InputError
    for a place that cannot be written.
    """
    card = card_of(readable(onnx, "ONNX file"))
    tensorrt = load_tensorrt(module)
    check_options(options, tensorrt.abilities)
    check_model(options, card, tensorrt.abilities)
    identity = _identity(onnx, options, tensorrt)
    folder = cache_folder()
    path = writable(out) if out else folder / _name(onnx, identity)
    with _one_build_at_a_time(folder, phases):
        current, stale = (None, "asked for") if rebuild else _current(path, identity)
        if current:
            return Ensured(path, current, False, f"same ONNX file, {tensorrt.abilities.title}, GPU and options")
        if stale == FIRST and not out:
            stale = _changed_since_last(onnx, folder, identity)
        needed = ROOM_BESIDES + ROOM_PER_ONNX_BYTE * onnx.stat().st_size
        with_room(path, needed, "an engine")  # minutes before the disk would refuse it
        timing = _timing_file(folder, tensorrt)
        built = build(
            onnx,
            card,
            options,
            tensorrt,
            phases,
            onnx_sha256=identity["onnx_sha256"],
            timing_cache=timing.read_bytes() if timing.is_file() else b"",
        )
        write_engine(path, built)
        if built.timing_cache is not None:
            with replacing(timing) as unfinished:
                unfinished.write_bytes(built.timing_cache)
        if not out:
            _forget_oldest(onnx, folder)
    return Ensured(path, built.card, True, stale, built.warnings)


def _identity(onnx: Path, options: BuildOptions, tensorrt: TensorRT) -> dict[str, Any]:
    """Return all that an engine depends on, under the names its card uses."""
    device = tensorrt.device
    return {
        "onnx_sha256": file_sha256(onnx),
        "module": tensorrt.abilities.module,
        "version": tensorrt.abilities.version,
        "gpu": device.name if device else None,
        "options": options.as_json(),
    }


def _name(onnx: Path, identity: dict[str, Any]) -> str:
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{onnx.stem}-{key[:KEY_DIGITS]}.engine"


def _current(path: Path, identity: dict[str, Any]) -> tuple[ModelCard | None, str]:
    """Return the card of an engine that is current, or None and why it has to be built."""
    if not path.exists():
        return None, FIRST
    try:
        card = open_engine(path)
    except (EngineError, CardError) as error:
        return None, f"the engine there cannot be used ({error.cause})"
    changes = _changes(card.engine, identity)
    return (None, changes) if changes else (card, "")


def _changes(engine: Mapping[str, Any], identity: dict[str, Any]) -> str:
    """Return what an engine was built from that is no longer so, in words."""
    changes = []
    if engine["onnx_sha256"] != identity["onnx_sha256"]:
        changes.append("the ONNX file changed")
    for key, what in (("module", "TensorRT module"), ("version", "TensorRT version"), ("gpu", "GPU")):
        if engine[key] != identity[key]:
            changes.append(f"{what} {engine[key]} -> {identity[key]}")
    for name, value in identity["options"].items():
        if engine["options"].get(name) != value:
            changes.append(f"option {name} {engine['options'].get(name)} -> {value}")
    return "; ".join(changes)


def _cached(onnx: Path, folder: Path) -> list[Path]:
    """Return the cached engines of a model's name, newest first."""
    pattern = re.compile(rf"{re.escape(onnx.stem)}-[0-9a-f]{{{KEY_DIGITS}}}\.engine")
    found = [path for path in folder.glob("*.engine") if pattern.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _changed_since_last(onnx: Path, folder: Path, identity: dict[str, Any]) -> str:
    """Return what changed since the newest cached engine of a model's name."""
    newest = next(iter(_cached(onnx, folder)), None)
    return _current(newest, identity)[1] or FIRST if newest else FIRST


def _forget_oldest(onnx: Path, folder: Path) -> None:
    for path in _cached(onnx, folder)[KEPT_PER_MODEL:]:
        path.unlink(missing_ok=True)
        sidecar(path).unlink(missing_ok=True)


def _timing_file(folder: Path, tensorrt: TensorRT) -> Path:
    """Return where the timing cache of this TensorRT version on this GPU lies."""
    gpu = tensorrt.device.name if tensorrt.device else "none"
    return folder / re.sub(r"[^\w.-]+", "_", f"{tensorrt.abilities.module}-{tensorrt.abilities.version}-{gpu}.timing")


@contextmanager
def _one_build_at_a_time(folder: Path, phases: Phases) -> Iterator[None]:
    """Hold the cache's lock: two builds at once would not fit a small board, nor should they build the same."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            phases.start("Waiting for another build", None, 0)
            fcntl.flock(lock, fcntl.LOCK_EX)
            phases.finish("Waiting for another build")
        for left_over in folder.glob(".*.unfinished*"):
            left_over.unlink(missing_ok=True)  # of a process that was killed while writing
        yield
