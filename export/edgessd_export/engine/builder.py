"""The one way from ONNX to an engine, for TensorRT 10, 11 and RTX: strongly typed, every answer checked."""

import hashlib
import re
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from edgessd.card import ModelCard, sidecar
from edgessd.engine_file import sealed
from edgessd.errors import ExportError, InputError
from edgessd.files import replacing, write_text
from edgessd_export.engine import listeners, network, precision
from edgessd_export.engine.graph_input import fixed_batch
from edgessd_export.engine.module import Abilities, TensorRT, default_capabilities
from edgessd_export.engine.options import BuildOptions, check_model, check_options

MEMORY_NOTE = re.compile(r"Total (Activation|Weights) Memory: (\d+) bytes")
NOTHING_SAID = "no reason given"


@dataclass(frozen=True)
class Built:
    """An engine in memory with its card; ``plan`` is TensorRT's buffer, written without a copy."""

    plan: Any
    card: ModelCard
    warnings: tuple[str, ...]
    timing_cache: bytes | None


def build(
    onnx: Path,
    card: ModelCard,
    options: BuildOptions,
    tensorrt: TensorRT,
    phases: listeners.Phases,
    *,
    onnx_sha256: str,
    timing_cache: bytes = b"",
) -> Built:
    """Return the engine of an ONNX file, its precision proven.

    timing_cache: what an earlier build learned, empty for nothing. Raises InputError for an option or a model
    the module cannot do, ExportError when TensorRT refuses or builds another precision than asked,
    KeyboardInterrupt after Ctrl-C.
    """
    trt, found = tensorrt.trt, tensorrt.abilities
    check_options(options, found)
    check_model(options, card, found)
    profile = network.profile_of(fixed_batch(onnx), options, onnx)
    started = perf_counter()
    log = listeners.build_log(trt)
    builder = trt.Builder(log)
    definition = builder.create_network(_network_flags(trt, options, found))
    config = builder.create_builder_config()
    targets = _configure(trt, builder, config, options, tensorrt, profile)
    parser = trt.OnnxParser(definition, log)
    if options.dla is not None and found.dla_from_parser:
        _place_on_dla(trt, parser, config)
    network.parse(parser, onnx, log, found.title)
    tensors = network.tensors_of(definition)
    network.check_tensors(tensors, card, onnx)
    asked = network.asked_precisions(trt, definition)
    precision.check_asked(asked, card)
    if tensors[0]["shape"][0] == -1:
        network.add_profile(builder, config, profile, card)
    cache = _attach_timing_cache(config, timing_cache) if options.timing_cache and found.timing_cache else None
    with listeners.stopping_on_interrupt() as stop:
        # The module keeps no reference to its listener: it must live as long as the build.
        monitor = listeners.progress_monitor(trt, phases, stop)
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(definition, config)
        if stop.asked:
            raise KeyboardInterrupt
    if plan is None:
        raise ExportError(f"{found.title} cannot build {onnx}: {'; '.join(log.errors) or NOTHING_SAID}")
    layers, memory = _read_back(trt, plan, log, options, found)
    engine = {
        "module": found.module,
        "version": found.version,
        "compute_capabilities": list(targets),
        "gpu": tensorrt.device.name if tensorrt.device else None,
        "onnx": onnx.name,
        "onnx_sha256": onnx_sha256,
        "engine_sha256": hashlib.sha256(memoryview(plan)).hexdigest(),
        "tensors": tensors,
        "profile": profile,
        "options": options.as_json(),
        "layers": precision.prove(asked, layers, "build log" if found.ahead_of_time else "engine inspector"),
        "memory_bytes": memory,
        "build": {
            "seconds": round(perf_counter() - started, 2),
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
            "workspace_mib": options.workspace_bytes >> 20,
        },
    }
    return Built(
        plan=plan,
        card=sealed(card.with_changes(engine=engine)),
        warnings=tuple(dict.fromkeys(log.warnings)),
        timing_cache=bytes(memoryview(cache.serialize())) if cache is not None else None,
    )


def write_engine(path: Path, built: Built) -> None:
    """Write an engine and its card beside it, whole or not at all. Raises InputError."""
    with replacing(path) as unfinished:
        with unfinished.open("wb") as file:
            file.write(memoryview(built.plan))
        # The card names the engine's hash: a card renamed before its engine is refused, never believed.
        write_text(sidecar(path), built.card.dumps() + "\n")


def _network_flags(trt: Any, options: BuildOptions, found: Abilities) -> int:
    """Return the creation flags: the graph's types are kept, except on the DLA of the versions that cannot."""
    weak = options.dla is not None and found.weak_fp16
    if weak or not found.strong_flag:
        return 0
    return 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _configure(
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
                raise InputError(f"--compute-capability {target} was refused by {found.title}: leave it out")
        return targets
    if tensorrt.device is None:
        raise ExportError(f"{found.title} builds on the GPU it builds for, and none was given")
    own = tensorrt.device.compute_capability
    return ("8.0+",) if options.hardware_compatible == "ampere_plus" else (own,)


def _use_dla(trt: Any, builder: Any, config: Any, core: int, profile: Mapping[str, int], found: Abilities) -> None:
    """Run what the DLA can run there, the rest on the GPU. Raises InputError where there is no such core."""
    if not 0 <= core < builder.num_DLA_cores:
        raise InputError(f"--dla {core}: {found.title} finds {builder.num_DLA_cores} DLA cores here; leave it out")
    if len(set(profile.values())) > 1:
        raise InputError(
            f"the DLA takes one batch size, the profile has {profile['min']} to {profile['max']}: "
            "give --min-batch, --opt-batch and --max-batch the same number"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if found.weak_fp16:
        config.set_flag(trt.BuilderFlag.FP16)


def _place_on_dla(trt: Any, parser: Any, config: Any) -> None:
    for flag in (trt.OnnxParserFlag.REPORT_CAPABILITY_DLA, trt.OnnxParserFlag.ADJUST_FOR_DLA):
        parser.set_flag(flag)
    if not parser.set_builder_config(config):
        raise ExportError("TensorRT's parser refuses the DLA configuration: leave --dla out")


def _attach_timing_cache(config: Any, earlier: bytes) -> Any:
    """Return the timing cache in use: the earlier one, or an empty one where that is of another machine."""
    cache = config.create_timing_cache(earlier)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise ExportError("TensorRT refuses even an empty timing cache: build with --no-timing-cache")
    return cache


def _read_back(
    trt: Any, plan: Any, log: Any, options: BuildOptions, found: Abilities
) -> tuple[list[precision.EngineLayer], dict[str, int]]:
    """Return the engine's layers and its memory: from the build log with RTX, else from the engine itself."""
    memory = {kind.lower(): int(size) for note in log.notes for kind, size in MEMORY_NOTE.findall(note)}
    if found.ahead_of_time:
        return precision.layers_from_log(log.layers), memory
    runtime = trt.Runtime(log)
    if options.dla is not None:
        runtime.DLA_core = options.dla
    if options.version_compatible:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ExportError(
            f"{found.title} cannot load the engine it built: {'; '.join(log.errors) or NOTHING_SAID}; "
            "no engine was written; try --low-memory"
        )
    scratch = getattr(engine, "device_memory_size_v2", None) or getattr(engine, "device_memory_size", None) or 0
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    return precision.layers_from_inspector(text), {**memory, "activation": int(scratch)}
