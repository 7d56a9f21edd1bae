"""The trtexec line equal to a build, for those who want NVIDIA's own tool; it proves and records nothing."""

import shlex
from pathlib import Path

from edgessd.errors import InputError
from edgessd.model.card import ModelCard, card_of
from edgessd.util.files import readable
from edgessd_export.engine.graph_input import fixed_batch
from edgessd_export.engine.module import MODULES, Abilities
from edgessd_export.engine.network import INPUT, profile_of
from edgessd_export.engine.options import BuildOptions, check_model, check_options, check_precision

HARDWARE_LEVELS = {"ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}


DLA_CORES = 2  # of an Orin or a Xavier
TENSORRT = Abilities(
    "tensorrt", "", ahead_of_time=False, capabilities=(), strong_flag=True, weak_fp16=False, dla_from_parser=True,
    timing_cache=True, version_compatible=True, hardware_levels=tuple(HARDWARE_LEVELS), tf32=True,
)  # fmt: skip
RTX = Abilities(
    "tensorrt_rtx", "", ahead_of_time=True, capabilities=("7.5", "8.0", "8.6", "8.9", "12.0", "12.1"),
    strong_flag=True, weak_fp16=False, dla_from_parser=False, timing_cache=False, version_compatible=False,
    hardware_levels=(), tf32=True,
)  # fmt: skip


def trtexec_line(onnx: Path, out: Path | None, options: BuildOptions, module: str) -> str:
    """Return a shell line for ``trtexec``, or for ``tensorrt_rtx`` where that module is asked for.

    It needs no TensorRT here: options are held to what the newest versions can do. Raises InputError as a build does.
    ``--stronglyTyped`` is for 10.x; 11 is always strongly typed and took the flag out.
    """
    card = card_of(readable(onnx, "ONNX file"))
    ahead_of_time = module == "tensorrt_rtx"
    if module not in MODULES:
        raise InputError(f"unknown TensorRT module {module!r}", fix=f"choose one of {', '.join(MODULES)}")
    check_precision(onnx, card)
    found = RTX if ahead_of_time else TENSORRT
    check_options(options, found)
    check_model(options, card, found)
    if options.dla is not None and not 0 <= options.dla < DLA_CORES:
        raise InputError(f"--dla must be 0 to {DLA_CORES - 1}, got {options.dla}")
    words = ["tensorrt_rtx" if ahead_of_time else "trtexec", f"--onnx={onnx}"]
    words.append(f"--saveEngine={out or onnx.with_suffix('.engine')}")
    weak = options.dla is not None
    if not ahead_of_time:
        words.append("--fp16" if weak else "--stronglyTyped")
    words += _shapes(onnx, card, options)
    words.append(f"--memPoolSize=workspace:{options.workspace_bytes >> 20}M")
    if options.effective_level is not None:
        words.append(f"--builderOptimizationLevel={options.effective_level}")
    if options.low_memory:
        words += ["--maxAuxStreams=0", "--avgTiming=1"]
    if options.compute_capabilities:
        listed = ",".join(text.replace(".", "") for text in options.compute_capabilities)
        words.append(f"--computeCapabilities={listed}")
    if options.version_compatible:
        words.append("--versionCompatible")
    if options.hardware_compatible:
        level = HARDWARE_LEVELS.get(options.hardware_compatible, options.hardware_compatible)
        words.append(f"--hardwareCompatibilityLevel={level}")
    if options.dla is not None:
        words += [f"--useDLACore={options.dla}", "--allowGPUFallback"]
    if not options.tf32:
        words.append("--noTF32")
    return shlex.join([*words, "--profilingVerbosity=detailed", "--skipInference"])


def _shapes(onnx: Path, card: ModelCard, options: BuildOptions) -> list[str]:
    batch = fixed_batch(onnx)
    profile = profile_of(batch, options, onnx)
    if batch is not None:
        return []
    return [f"--{name}Shapes={INPUT}:{profile[name]}x{card.height}x{card.width}x3" for name in ("min", "opt", "max")]
