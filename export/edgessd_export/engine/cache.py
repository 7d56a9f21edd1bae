"""Engines kept per content: an unchanged model is not built twice, and a changed one never served stale."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from edgessd.backends.engine.cache import cache_path
from edgessd.backends.engine.file import open_engine
from edgessd.errors import CardError, EngineError, InputError
from edgessd.model.card import ModelCard, card_of, sidecar
from edgessd.util.files import file_sha256, readable, replacing, with_room, writable
from edgessd.util.overwrite import keep_apart
from edgessd_export.engine.builder import build, write_engine
from edgessd_export.engine.graph_input import external_files
from edgessd_export.engine.listeners import Phases
from edgessd_export.engine.module import TensorRT, load_tensorrt
from edgessd_export.engine.options import BuildOptions, check_model, check_options, check_precision

KEPT = 64  # engines of all models; the one that was used longest ago goes first
NAME_CHARACTERS = 40
KEY_DIGITS = 32
# An engine with its timing cache is about as large as its ONNX file; the rest is for the build's own files.
ROOM_PER_ONNX_BYTE, ROOM_BESIDES = 3, 16_000_000
FIRST = "first build"
CACHE_FIX = "set XDG_CACHE_HOME to a folder of this user, or give --out"


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
        raise InputError(f"cannot make the engine cache {folder}: {error.strerror}", fix=CACHE_FIX) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the engine cache {folder} is read-only for this user", fix=CACHE_FIX)
    return folder


def _cache_if_any() -> Path | None:
    """Return the cache, None where there is none: an engine that is written elsewhere does without."""
    try:
        return cache_folder()
    except InputError:
        return None


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
    if out:
        keep_apart({"--out": writable(out)}, [onnx])
    check_precision(onnx, card)
    tensorrt = load_tensorrt(module)
    check_options(options, tensorrt.abilities)
    check_model(options, card, tensorrt.abilities)
    folder = _cache_if_any() if out else cache_folder()
    with _one_build_at_a_time(folder, phases):
        identity = _identity(onnx, options, tensorrt)
        path = out or cache_folder() / _name(card, identity)
        current, stale = (None, "asked for") if rebuild else _current(path, identity)
        if current:
            if not out:
                path.touch()  # the order in which they are forgotten
            return Ensured(path, current, False, f"same ONNX file, {tensorrt.abilities.title}, GPU and options")
        if not path.exists() and folder and not out:
            stale = _changed_since_last(card, folder, identity)
        needed = ROOM_BESIDES + ROOM_PER_ONNX_BYTE * onnx.stat().st_size
        with_room(path, needed, "an engine")  # minutes before the disk would refuse it
        timing = _timing_file(folder, tensorrt) if folder else None
        built = build(
            onnx,
            card,
            options,
            tensorrt,
            phases,
            onnx_sha256=identity["onnx_sha256"],
            timing_cache=timing.read_bytes() if timing and timing.is_file() else b"",
        )
        if _identity(onnx, options, tensorrt) != identity:
            raise InputError(f"{onnx} changed while its engine was built", fix="build again when it is whole")
        write_engine(path, built)
        if built.timing_cache is not None and timing:
            with replacing(timing) as unfinished:
                unfinished.write_bytes(built.timing_cache)
        if not out:
            _forget_oldest(path.parent, path)
    return Ensured(path, built.card, True, stale, built.warnings)


def _identity(onnx: Path, options: BuildOptions, tensorrt: TensorRT) -> dict[str, Any]:
    """Return all that an engine depends on, under the names its card uses."""
    device = tensorrt.device
    return {
        "onnx_sha256": _content_sha256(onnx),
        "module": tensorrt.abilities.module,
        "version": tensorrt.abilities.version,
        "gpu": device.name if device else None,
        "options": options.as_json(),
    }


def _content_sha256(onnx: Path) -> str:
    """Return the hash of all that the parser reads: the ONNX file, and files beside it that hold weights."""
    beside = external_files(onnx)
    if not beside:
        return file_sha256(onnx)
    listed = [[path.name, file_sha256(path)] for path in beside]
    return hashlib.sha256(json.dumps([file_sha256(onnx), *listed]).encode()).hexdigest()


def _name(card: ModelCard, identity: dict[str, Any]) -> str:
    """Return an engine's name in the cache: by content alone, so that a file's own name may be anything."""
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{_short_name(card)}-{key[:KEY_DIGITS]}.engine"


def _short_name(card: ModelCard) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", card.name).strip(".")[:NAME_CHARACTERS] or "model"


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


def _by_use(folder: Path, pattern: str = "*.engine") -> list[Path]:
    """Return the cached engines, the last used first; one that another process removes meanwhile is left out."""
    found = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def _changed_since_last(card: ModelCard, folder: Path, identity: dict[str, Any]) -> str:
    """Return what changed since the engine of a card's name that was used last."""
    newest = next(iter(_by_use(folder, f"{_short_name(card)}-*.engine")), None)
    return _current(newest, identity)[1] or FIRST if newest else FIRST


def _forget_oldest(folder: Path, kept: Path) -> None:
    for path in _by_use(folder)[KEPT:]:
        if path != kept:
            path.unlink(missing_ok=True)
            sidecar(path).unlink(missing_ok=True)


def _timing_file(folder: Path, tensorrt: TensorRT) -> Path:
    """Return where the timing cache of this TensorRT version on this GPU lies."""
    gpu = tensorrt.device.name if tensorrt.device else "none"
    return folder / re.sub(r"[^\w.-]+", "_", f"{tensorrt.abilities.module}-{tensorrt.abilities.version}-{gpu}.timing")


@contextmanager
def _one_build_at_a_time(folder: Path | None, phases: Phases) -> Iterator[None]:
    """Hold the cache's lock: two builds at once would not fit a small board, nor should they build the same.

    Where there is no cache, nothing is held.
    """
    if folder is None:
        yield
        return
    with _opened_lock(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            phases.start("Waiting for another build", None, 0)
            fcntl.flock(lock, fcntl.LOCK_EX)
            phases.finish("Waiting for another build")
        for left_over in folder.glob(".*.unfinished*"):
            left_over.unlink(missing_ok=True)  # of a process that was killed while writing
        yield


def _opened_lock(folder: Path) -> TextIO:
    try:
        return (folder / ".lock").open("w")
    except OSError as error:
        raise InputError(f"the engine cache {folder} cannot be written: {error.strerror}", fix=CACHE_FIX) from error
