"""What ``edgessd info`` shows of an engine: who built it, for what, its layers, precisions and memory."""

from pathlib import Path

from edgessd.backends.engine.file import open_engine
from edgessd.model.card import ModelCard


def describe_engine(path: Path) -> tuple[ModelCard, dict[str, str]]:
    """Return an engine's card and the rows that ``edgessd info`` shows about the engine itself.

    Raises EngineError for an engine that its card does not confirm.
    """
    card = open_engine(path)
    engine, layers = card.engine, card.engine["layers"]
    memory, built = engine.get("memory_bytes", {}), engine.get("build", {})
    tensors = "; ".join(
        f"{tensor['name']} {tensor['dtype']} ({', '.join(str(size) for size in tensor['shape'])})"
        for tensor in engine["tensors"]
    )
    converted = ", ".join(f"{count} {name}" for name, count in layers.get("convolutions_built", {}).items())
    rows = {
        "built by": f"{engine['module']} {engine['version']}"
        + (f" on {engine['gpu']}" if engine["gpu"] else ", which needs no GPU to build"),
        "runs on": f"compute capability {', '.join(engine['compute_capabilities'])}",
        "batch": "min {min}, best {opt}, max {max}".format(**engine["profile"]),
        "tensors": tensors,
        "layers": f"{layers.get('total')}: " + ", ".join(f"{n} {p}" for p, n in layers.get("precisions", {}).items()),
        "convolutions": f"{layers.get('convolutions')}: {converted or 'not reported'}",
        "memory": ", ".join(f"{kind} {size / 1e6:.1f} MB" for kind, size in memory.items()) or "not recorded",
        "build": f"{built.get('seconds')} s, {built.get('peak_rss_mib')} MiB at its peak",
        "options": ", ".join(
            f"{key} {value}" for key, value in engine["options"].items() if value not in (None, [], False)
        ),
        "from": f"ONNX file with sha256 {engine['onnx_sha256'][:12]}",
    }
    return card, rows
