"""The trtexec line equal to a build, for those who want NVIDIA's own tool; it proves and records nothing."""

import shlex
from pathlib import Path

from edgessd.model.card import ModelCard, card_of
from edgessd.util.files import readable
from edgessd_export.engine.graph_input import fixed_batch
from edgessd_export.engine.network import INPUT, profile_of
from edgessd_export.engine.options import BuildOptions

HARDWARE_LEVELS = {"ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}


def trtexec_line(onnx: Path, out: Path | None, options: BuildOptions, module: str) -> str:
    """Return a shell line for ``trtexec``, or for ``tensorrt_rtx`` where that module is asked for.

    It needs no TensorRT here. ``--stronglyTyped`` is for 10.x; 11 is always strongly typed and took the flag out.
    """
    card = card_of(readable(onnx, "ONNX file"))
    ahead_of_time = module == "tensorrt_rtx"
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
