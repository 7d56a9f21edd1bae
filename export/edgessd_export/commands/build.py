"""``edgessd build``: an ONNX model becomes a TensorRT engine and its card."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgessd_export.engine.options import BuildOptions


def build(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="The ONNX file, as `edgessd export` or `edgessd quantize` wrote it, or the name of a shipped model.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The engine to write (.engine); without it, a place in the engine cache.")
    ] = None,
    module: Annotated[
        str, typer.Option(help="auto (tensorrt, else tensorrt_rtx), tensorrt, or tensorrt_rtx, which needs no GPU.")
    ] = "auto",
    min_batch: Annotated[int | None, typer.Option(help="Smallest batch of a dynamic model.", show_default="1")] = None,
    opt_batch: Annotated[int | None, typer.Option(help="Batch to be fastest at.", show_default="the smallest")] = None,
    max_batch: Annotated[int | None, typer.Option(help="Largest batch of a dynamic model.", show_default="8")] = None,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(help="Target GPU such as 89 or 8.9, repeatable.", show_default="all from 8.0; RTX only"),
    ] = None,
    level: Annotated[
        int | None, typer.Option(help="Optimisation level, 0 (fast build) to 5.", show_default="TensorRT's own, 3")
    ] = None,
    workspace: Annotated[
        int | None,
        typer.Option(help="MiB of scratch memory a layer may use.", show_default="1024, 256 with --low-memory"),
    ] = None,
    low_memory: Annotated[
        bool, typer.Option("--low-memory", help="For boards of 4 to 8 GB: 256 MiB workspace, level 2, one stream.")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="The engine also runs on later versions of TensorRT.")
    ] = False,
    hardware_compatible: Annotated[
        str | None, typer.Option(help="ampere_plus or same_compute_capability: the engine also runs on such GPUs.")
    ] = None,
    dla: Annotated[int | None, typer.Option(help="DLA core to use, the GPU for the rest (some Jetsons).")] = None,
    no_timing_cache: Annotated[
        bool, typer.Option("--no-timing-cache", help="Time every kernel again, reuse no earlier build's timings.")
    ] = False,
    no_tf32: Annotated[
        bool, typer.Option("--no-tf32", help="Compute fp32 layers in full, without TF32's shorter mantissa.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build even where the engine is current.")] = False,
    print_trtexec: Annotated[
        bool, typer.Option("--print-trtexec", help="Print the equal trtexec line and build nothing.")
    ] = False,
) -> None:
    """Build a TensorRT engine, prove its layers' precision, and write it with its card.

    The engine is kept while ONNX file, TensorRT version, GPU and options stay the same.
    """
    from edgessd.util.overwrite import keep_apart
    from edgessd_export.commands.names import named
    from edgessd_export.engine.options import BuildOptions, capability_from_text

    onnx = _for_an_engine(model)
    options = BuildOptions(
        batches=_batches(min_batch, opt_batch, max_batch),
        workspace_mib=workspace,
        level=level,
        low_memory=low_memory,
        compute_capabilities=tuple(dict.fromkeys(map(capability_from_text, compute_capability or []))),
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        dla=dla,
        timing_cache=not no_timing_cache,
        tf32=not no_tf32,
    )
    if out:
        keep_apart({"--out": named(out, ".engine", "an engine")}, [onnx])
    if print_trtexec:
        from edgessd_export.engine.trtexec import trtexec_line

        typer.echo(trtexec_line(onnx, out, options, module))
        return
    _build(onnx, out, options, module, rebuild=rebuild)


def _for_an_engine(model: str) -> Path:
    """Return a model's file. Raises InputError for ``default``: it is the best on a CPU, and another for engines."""
    from edgessd.errors import InputError
    from edgessd.model.shipped import model_path, shipped

    onnx, known = model_path(model), shipped()
    better = [name for name in known if name.endswith(("_int8_tensorrt", "_fp16"))]
    if model == "default" and better and onnx.stem not in better:
        command, *others = (f"edgessd build {name}" for name in reversed(better))
        named = " or ".join(f"`{each}`" for each in (command, *others))
        raise InputError(
            f"the model called default, {onnx.stem}, is made for a CPU",
            fix=f"take {named}; to build this one all the same, give its own name",
            command=command,
        )
    return onnx


def _batches(smallest: int | None, best: int | None, largest: int | None) -> tuple[int, int, int] | None:
    if smallest is None and best is None and largest is None:
        return None
    first = smallest if smallest is not None else 1
    second = best if best is not None else first
    return first, second, largest if largest is not None else max(8, second)


def _build(onnx: Path, out: Path | None, options: "BuildOptions", module: str, *, rebuild: bool) -> None:
    from edgessd.util.console import PlainConsole
    from edgessd_export.engine.cache import ensure_engine
    from edgessd_export.engine.precision import proof_line
    from edgessd_export.engine.progress import build_progress

    with build_progress() as phases:
        result = ensure_engine(onnx, options, phases, module=module, out=out, rebuild=rebuild)
    engine = result.card.engine
    size = f"{result.path.stat().st_size / 1e6:.1f} MB"
    errors = PlainConsole(stderr=True)
    for warning in result.warnings:
        errors.print(f"warning: {warning}")
    console = PlainConsole()
    if not result.built:
        console.print(f"{result.path} is current ({size}): {result.reason}")
        return
    memory = ", ".join(f"{kind} {count / 1e6:.1f} MB" for kind, count in engine["memory_bytes"].items())
    console.print(f"built {result.path} ({size}) in {engine['build']['seconds']} s: {result.reason}")
    console.print(
        f"{engine['module']} {engine['version']}, compute capability {', '.join(engine['compute_capabilities'])}, "
        "batch {min} to {max}, best {opt}".format(**engine["profile"])
    )
    console.print(proof_line(engine["layers"]))
    console.print(
        f"memory at run time: {memory or 'not reported'}; the build: {engine['build']['peak_rss_mib']} MiB at its peak"
    )
