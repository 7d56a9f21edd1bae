"""A build's configuration: every option set on TensorRT's objects, and what it answers checked."""

from collections.abc import Mapping
from typing import Any

from edgessd.errors import ExportError, InputError
from edgessd_export.engine.module import Abilities, TensorRT, default_capabilities
from edgessd_export.engine.options import BuildOptions


def network_flags(trt: Any, options: BuildOptions, found: Abilities) -> int:
    """Return the creation flags: the graph's types are kept, except on the DLA of the versions that cannot."""
    weak = options.dla is not None and found.weak_fp16
    if weak or not found.strong_flag:
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def configure(
    trt: Any,
    builder: Any,
    config: Any,
    options: BuildOptions,
    tensorrt: TensorRT,
    profile: Mapping[str, int],
) -> tuple[str, ...]:
    """Set every option and return the compute capabilities that the engine will run on."""
    found = tensorrt.abilities
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.effective_level is not None:
        config.builder_optimization_level = options.effective_level
    if options.low_memory:
        config.max_aux_streams = 0  # parallel streams each need their own scratch memory
        config.avg_timing_iterations = 1
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        level = options.hardware_compatible.upper()
        config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, level)
    if options.dla is not None:
        _use_dla(trt, builder, config, options.dla, profile, found)
    if found.ahead_of_time:
        targets = options.compute_capabilities or default_capabilities(found)
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            member = getattr(trt.ComputeCapability, f"SM{target.replace('.', '')}")
            if not config.set_compute_capability(member, index):
                raise InputError(f"--compute-capability {target} was refused by {found.title}", fix="leave it out")
        return targets
    if tensorrt.device is None:
        raise ExportError(f"{found.title} builds on the GPU it builds for, and none was given")
    own = tensorrt.device.compute_capability
    return ("8.0+",) if options.hardware_compatible == "ampere_plus" else (own,)


def _use_dla(trt: Any, builder: Any, config: Any, core: int, profile: Mapping[str, int], found: Abilities) -> None:
    """Run what the DLA can run there, the rest on the GPU. Raises InputError where there is no such core."""
    if not 0 <= core < builder.num_DLA_cores:
        raise InputError(
            f"--dla {core}", fix=f"{found.title} finds {builder.num_DLA_cores} DLA cores here; leave it out"
        )
    if len(set(profile.values())) > 1:
        raise InputError(
            f"the DLA takes one batch size, the profile has {profile['min']} to {profile['max']}",
            fix="give --min-batch, --opt-batch and --max-batch the same number",
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if found.weak_fp16:
        config.set_flag(trt.BuilderFlag.FP16)


def place_on_dla(trt: Any, parser: Any, config: Any) -> None:
    """Let the parser place layers on the DLA as it reads them. Raises ExportError when it refuses."""
    for flag in (trt.OnnxParserFlag.REPORT_CAPABILITY_DLA, trt.OnnxParserFlag.ADJUST_FOR_DLA):
        parser.set_flag(flag)
    if not parser.set_builder_config(config):
        raise ExportError("TensorRT's parser refuses the DLA configuration", fix="leave --dla out")


def attach_timing_cache(config: Any, earlier: bytes) -> Any:
    """Return the timing cache in use: the earlier one, or an empty one where that is of another machine."""
    cache = config.create_timing_cache(earlier)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise ExportError("TensorRT refuses even an empty timing cache", fix="build with --no-timing-cache")
    return cache
