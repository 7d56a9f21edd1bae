"""The one way from ONNX to an engine, for TensorRT 10, 11 and RTX: strongly typed, every answer checked."""

import hashlib
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from edgessd.backends.engine.file import sealed
from edgessd.errors import ExportError
from edgessd.model.card import ModelCard, sidecar
from edgessd.util.files import replacing
from edgessd_export.engine import configuration, listeners, network, precision
from edgessd_export.engine.graph_input import fixed_batch
from edgessd_export.engine.module import Abilities, TensorRT
from edgessd_export.engine.options import BuildOptions, check_model, check_options

MEMORY_NOTE = re.compile(r"Total (Activation|Weights) Memory: (\d+) bytes")
OUT_OF_MEMORY = ("OutOfMemory", "bad_alloc", "out of memory")


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
    started, started_cpu = perf_counter(), process_time()
    log = listeners.build_log(trt)
    builder = trt.Builder(log)
    definition = builder.create_network(configuration.network_flags(trt, options, found))
    config = builder.create_builder_config()
    targets = configuration.configure(trt, builder, config, options, tensorrt, profile)
    parser = trt.OnnxParser(definition, log)
    if options.dla is not None and found.dla_from_parser:
        configuration.place_on_dla(trt, parser, config)
    network.parse(parser, onnx, log, found.title)
    tensors = network.tensors_of(definition)
    network.check_tensors(tensors, card, onnx)
    asked = network.asked_precisions(trt, definition)
    precision.check_asked(asked, card)
    if tensors[0]["shape"][0] == -1:
        network.add_profile(builder, config, profile, card)
    cache = (
        configuration.attach_timing_cache(config, timing_cache) if options.timing_cache and found.timing_cache else None
    )
    with listeners.stopping_on_interrupt() as stop:
        # The module keeps no reference to its listener: it must live as long as the build.
        monitor = listeners.progress_monitor(trt, phases, stop)
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(definition, config)
        if stop.asked:
            raise KeyboardInterrupt
    if plan is None:
        raise ExportError(f"{found.title} cannot build {onnx}: {_complaints(log)}")
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
            "cpu_seconds": round(process_time() - started_cpu, 2),
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
    card = sidecar(path)
    with replacing(path) as unfinished, replacing(card) as unfinished_card:
        with unfinished.open("wb") as file:
            file.write(memoryview(built.plan))
        unfinished_card.write_text(built.card.dumps() + "\n", encoding="utf-8")
        # The renames follow: the card's, then the engine's. An older engine goes first: whoever is killed between
        # leaves a card without an engine, which the next build replaces, and never an engine with another's card.
        path.unlink(missing_ok=True)


def _complaints(log: listeners.BuildLog) -> str:
    """Return all that TensorRT's log complained of, and what may help."""
    said = "; ".join(log.errors) or "no reason given"
    short = any(word in said for word in OUT_OF_MEMORY)
    advice = (
        "close other programs or add --low-memory" if short else "try another --level, contract or TensorRT version"
    )
    return f"{said}; nothing was written; {advice}"


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
        raise ExportError(f"{found.title} cannot load the engine it built: {_complaints(log)}")
    scratch = getattr(engine, "device_memory_size_v2", None) or getattr(engine, "device_memory_size", None) or 0
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    return precision.layers_from_inspector(text), {**memory, "activation": int(scratch)}
