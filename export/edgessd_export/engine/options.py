"""What a build may be asked for, and the refusal by name of what a module cannot do."""

from dataclasses import asdict, dataclass, fields
from filecmp import cmp
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.model.shipped import shipped
from edgessd_export.engine.module import Abilities

DYNAMIC_BATCHES = (1, 1, 8)
WORKSPACE_MIB, LOW_MEMORY_WORKSPACE_MIB = 1024, 256
LOW_MEMORY_LEVEL = 2
MAX_LEVEL = 5
MAX_BATCH = 1024


@dataclass(frozen=True)
class BuildOptions:
    """A build's options; None leaves the choice to the graph or to TensorRT.

    batches: smallest, best and largest batch of a graph whose batch is dynamic. workspace_mib: scratch memory
    a layer may use. level: TensorRT's optimisation level, 0 (fast build) to 5 (fast engine).
    """

    batches: tuple[int, int, int] | None = None
    workspace_mib: int | None = None
    level: int | None = None
    low_memory: bool = False
    compute_capabilities: tuple[str, ...] = ()
    version_compatible: bool = False
    hardware_compatible: str | None = None
    dla: int | None = None
    timing_cache: bool = True
    tf32: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        value = asdict(self)
        value["batches"] = list(self.batches) if self.batches else None
        value["compute_capabilities"] = list(self.compute_capabilities)
        return value

    @property
    def workspace_bytes(self) -> int:
        """Return the limit of a layer's scratch memory."""
        default = LOW_MEMORY_WORKSPACE_MIB if self.low_memory else WORKSPACE_MIB
        return (self.workspace_mib or default) << 20

    @property
    def effective_level(self) -> int | None:
        """Return the optimisation level, lower by default where memory is short."""
        return LOW_MEMORY_LEVEL if self.level is None and self.low_memory else self.level


def options_from_json(value: Any) -> BuildOptions:
    """Return the options that ``as_json`` wrote. Raises InputError for unknown or missing names."""
    known = {entry.name for entry in fields(BuildOptions)}
    if not isinstance(value, dict) or set(value) != known:
        raise InputError(f"build options must be {sorted(known)}, got {value!r}", fix="use one edgessd version")
    lists = {
        "batches": tuple(value["batches"]) if value["batches"] else None,
        "compute_capabilities": tuple(value["compute_capabilities"]),
    }
    return BuildOptions(**{**value, **lists})


def capability_from_text(text: str) -> str:
    """Return ``8.6`` for 86 or 8.6. Raises InputError for anything else."""
    digits = text.removeprefix("sm_").replace(".", "")
    if not digits.isdecimal() or not 2 <= len(digits) <= 3:
        raise InputError(f"a compute capability is written 86 or 8.6, got {text!r}", fix="see --help")
    return f"{int(digits) // 10}.{int(digits) % 10}"


def check_precision(onnx: Path, card: ModelCard) -> None:
    """Raise InputError for int8 that was made for CPUs, naming the file to build instead."""
    if card.precision != "int8" or card.quantisation.get("for") != "cpu":
        return
    own = next((name for name, path in shipped().items() if name != "default" and cmp(path, onnx, shallow=False)), "")
    if f"{own}_tensorrt" in shipped():
        command = f"edgessd build {own}_tensorrt"
    else:
        command = "edgessd quantize CKPT --precision int8 --for tensorrt --calibration DATA --out M_int8_tensorrt.onnx"
    raise InputError(
        f"{card.name} is int8 made for CPUs (uint8 activations), which TensorRT does not read",
        fix=f"take the file for TensorRT, `{command}`",
        command=command,
    )


def check_options(options: BuildOptions, found: Abilities) -> None:
    """Raise InputError for an option out of range, or one the module cannot do, naming the option."""
    if options.batches:
        smallest, best, largest = options.batches
        if not 1 <= smallest <= best <= largest <= MAX_BATCH:
            raise InputError(
                f"batches must satisfy 1 <= min <= opt <= max <= {MAX_BATCH}, got {smallest}, {best}, {largest}",
                fix="change --min-batch, --opt-batch or --max-batch",
            )
    if options.level is not None and not 0 <= options.level <= MAX_LEVEL:
        raise InputError(f"--level must be 0 to {MAX_LEVEL}, got {options.level}")
    if options.workspace_mib is not None and options.workspace_mib < 1:
        raise InputError(f"--workspace must be at least 1 MiB, got {options.workspace_mib}")
    for capability in options.compute_capabilities:
        if found.ahead_of_time and capability not in found.capabilities:
            raise InputError(
                f"--compute-capability {capability} is not one that {found.title} builds for",
                fix=f"choose among {', '.join(found.capabilities)}{_jetson_hint(capability)}",
            )
    unsupported = {
        "--compute-capability": (
            bool(options.compute_capabilities) and not found.ahead_of_time,
            "it builds for the GPU it runs on; build there, or use --module tensorrt_rtx",
        ),
        "--version-compatible": (
            options.version_compatible and not found.version_compatible,
            "an engine runs with the version that built it; leave it out",
        ),
        "--hardware-compatible": (
            options.hardware_compatible is not None and options.hardware_compatible not in found.hardware_levels,
            _hardware_hint(options.hardware_compatible, found),
        ),
        "--dla": (options.dla is not None and found.ahead_of_time, "it has no DLA; build on the Jetson"),
        "--no-tf32": (not options.tf32 and not found.tf32, "it has no TF32 switch; leave it out"),
    }
    for name, (refused, fix) in unsupported.items():
        if refused:
            raise InputError(f"{name} is not supported by {found.title}", fix=fix)


def check_model(options: BuildOptions, card: ModelCard, found: Abilities) -> None:
    """Raise InputError for a model that the module cannot build with these options."""
    if card.contract == "end2end" and found.ahead_of_time:
        raise InputError(
            f"{card.name} has contract end2end, and {found.title} has no NMS layer to build",
            fix="export it with --contract compact, whose NMS runs on the CPU",
        )
    if options.dla is not None and found.weak_fp16 and card.precision != "fp16":
        raise InputError(
            f"{found.title} runs only fp16 on the DLA without calibrators, {card.name} is {card.precision}",
            fix="give the fp16 model, or leave --dla out",
        )


def _jetson_hint(capability: str) -> str:
    return "; a Jetson needs TensorRT from JetPack, on the Jetson" if capability in ("7.2", "8.7", "11.0") else ""


def _hardware_hint(level: str | None, found: Abilities) -> str:
    if found.ahead_of_time:
        return "name the GPUs with --compute-capability instead"
    return f"got {level!r}, it offers {', '.join(found.hardware_levels) or 'none'}"
