"""An ONNX model's engine for this machine, built on first use by the builder in a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edgessd.errors import BackendError, EngineError, InputError

BUILDER = "edgessd_export.engine.ensure"
GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class CachedEngine:
    """Where a current engine lies, and whether and why it was built now."""

    path: Path
    built: bool
    reason: str


def cache_path() -> Path:
    """Return the folder of cached engines, which may not be there yet. Raises InputError for a user without a home."""
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(cache or Path.home() / ".cache") / "edgessd" / "engines"
    except RuntimeError:
        raise InputError("this user has no home folder for an engine cache", fix="set XDG_CACHE_HOME") from None


def engine_for(onnx: Path, *, module: str = "auto") -> CachedEngine:
    """Return the engine of an ONNX file for this machine; seconds from the cache, minutes when it must be built.

    module: ``tensorrt``, ``tensorrt_rtx`` or ``auto``. Progress appears on standard error. Raises the builder's
    reason as EngineError (what was given) or BackendError (the build failed).
    """
    request = json.dumps({"onnx": str(onnx), "module": module})
    command = [sys.executable, "-m", BUILDER, request]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            text = process.communicate()[0]
        except BaseException:
            # Ctrl-C reaches the builder too, which ends at its next step and leaves nothing behind.
            try:
                process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise BackendError(
            f"the engine builder ended without an answer (exit code {process.returncode}) for {onnx}",
            fix=("run `edgessd build` by hand to see why; it may have run out of memory, then add --low-memory"),
        ) from error
    if "error" in answer:
        raise (EngineError if answer["exit_code"] == EngineError.exit_code else BackendError)(answer["error"])
    return CachedEngine(Path(answer["engine"]), bool(answer["built"]), str(answer["reason"]))
