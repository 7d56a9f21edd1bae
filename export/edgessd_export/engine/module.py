"""The TensorRT module that is installed, and what it can do: asked of the module, never of its version."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from edgessd.backends.cuda.errors import CudaError
from edgessd.backends.cuda.library import Device, device, load
from edgessd.errors import BackendError, InputError, MissingExtra
from edgessd.util.extras import install_command

MODULES = ("auto", "tensorrt", "tensorrt_rtx")
# TensorRT-RTX on Turing can return zeros without an error (fp32, dynamic shapes), so it is no default target.
OLDEST_DEFAULT_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Abilities:
    """What a module offers to the builder.

    ahead_of_time: builds for named compute capabilities and needs no GPU (TensorRT-RTX). strong_flag: the
    network must be asked to keep the graph's types; where it is absent they are kept anyway. weak_fp16: the
    old precision flags exist. dla_from_parser: the parser itself places layers on the DLA.
    """

    module: str
    version: str
    ahead_of_time: bool
    capabilities: tuple[str, ...]
    strong_flag: bool
    weak_fp16: bool
    dla_from_parser: bool
    timing_cache: bool
    version_compatible: bool
    hardware_levels: tuple[str, ...]
    tf32: bool

    @property
    def title(self) -> str:
        """Return the module and its version, for messages."""
        return f"{self.module} {self.version}"


@dataclass(frozen=True)
class TensorRT:
    """A loaded module, its abilities, and the GPU it builds on (None where it builds without one)."""

    trt: Any
    abilities: Abilities
    device: Device | None


def load_tensorrt(wanted: str = "auto") -> TensorRT:
    """Return ``tensorrt``, or ``tensorrt_rtx`` where that alone is installed, or the one asked for.

    Raises InputError for another name, MissingExtra for none installed, BackendError for a library that does
    not load and for TensorRT without a CUDA driver, into which nothing is called then.
    """
    name = _choose(wanted)
    gpu = None if name == "tensorrt_rtx" else _gpu_for_tensorrt()
    try:
        trt = import_module(name)
    # A wheel without its libraries raises ImportError, OSError or RuntimeError, by version.
    except Exception as error:
        raise BackendError(f"{name} is installed but does not load ({error})", fix="install it again") from error
    found = abilities(trt)
    return TensorRT(trt, found, gpu)


def _choose(wanted: str) -> str:
    if wanted not in MODULES:
        raise InputError(f"unknown TensorRT module {wanted!r}", fix=f"choose one of {', '.join(MODULES)}")
    candidates = MODULES[1:] if wanted == "auto" else (wanted,)
    for name in candidates:
        if find_spec(name):
            return name
    raise MissingExtra(
        f"building an engine needs {' or '.join(candidates)}, which is not installed",
        fix=(
            "on a Jetson it comes with JetPack (use its Python, or a venv with "
            f"--system-site-packages), elsewhere {install_command('tensorrt')}, or the extra rtx"
        ),
    )


def _gpu_for_tensorrt() -> Device:
    """Return the GPU; TensorRT 11 would kill the process where there is none, so it is not even imported then."""
    try:
        return device(load(), 0)
    except CudaError as error:
        raise BackendError(
            f"TensorRT builds on the GPU it builds for: {error}; or build for RTX GPUs without one",
            fix=f"{install_command('rtx')}, then --module tensorrt_rtx",
        ) from error


def abilities(trt: Any) -> Abilities:
    """Return what a TensorRT module can do."""
    ahead_of_time = hasattr(trt, "ComputeCapability")
    flags = trt.BuilderFlag.__members__
    levels = trt.HardwareCompatibilityLevel.__members__
    return Abilities(
        module="tensorrt_rtx" if ahead_of_time else "tensorrt",
        version=trt.__version__,
        ahead_of_time=ahead_of_time,
        capabilities=_capabilities(trt) if ahead_of_time else (),
        strong_flag="STRONGLY_TYPED" in trt.NetworkDefinitionCreationFlag.__members__,
        weak_fp16="FP16" in flags,
        dla_from_parser="ADJUST_FOR_DLA" in trt.OnnxParserFlag.__members__ and "FP16" not in flags,
        # RTX compiles for the GPU when it loads an engine: it has these switches, but they do nothing or fail.
        timing_cache=not ahead_of_time,
        version_compatible="VERSION_COMPATIBLE" in flags and not ahead_of_time,
        hardware_levels=() if ahead_of_time else tuple(name.lower() for name in levels if name != "NONE"),
        tf32="TF32" in flags,
    )


def _capabilities(trt: Any) -> tuple[str, ...]:
    numbers = sorted(int(name[2:]) for name in trt.ComputeCapability.__members__ if name.startswith("SM"))
    return tuple(f"{number // 10}.{number % 10}" for number in numbers)


def default_capabilities(found: Abilities) -> tuple[str, ...]:
    """Return the compute capabilities an engine is built for when none is asked for."""
    return tuple(text for text in found.capabilities if tuple(map(int, text.split("."))) >= OLDEST_DEFAULT_CAPABILITY)
