"""Proof of precision: which layers the engine really has, compared with what the graph asks."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgessd.errors import ExportError
from edgessd.model.card import ModelCard

# How the log and the inspector write data types, in their several versions.
PRECISION_WORDS = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp8", re.compile(r"\bfp8\b", re.IGNORECASE)),
    ("bf16", re.compile(r"\b(bf16|bfloat16)\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(fp16|half)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(fp32|float|tf32)\b", re.IGNORECASE)),
)
ONNX_NODE = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
# CaskConvolution, correlation, gemm...: the kinds that multiply; copies and reformats carry a node's name too.
# RTX turns a 1x1 convolution of a small map into a runtime_fusion.
MULTIPLIES = re.compile(r"conv|correlation|gemm|matmul|matrix_multiply|fprop|runtime_fusion", re.IGNORECASE)
NAMED_IN_ERROR = 6


@dataclass(frozen=True)
class EngineLayer:
    """One layer of an engine: its kind, the precision it computes in (None if unsaid), its ONNX nodes."""

    name: str
    kind: str
    precision: str | None
    nodes: tuple[str, ...]


def layers_from_log(lines: Sequence[str]) -> list[EngineLayer]:
    """Return the layers that a detailed build log lists, one a line."""
    found = []
    for line in lines:
        match = re.search(r"Name: (.*?), LayerType: ([^,]*), Inputs: \[(.*?)\], Constants: ", line)
        if match:
            name, kind, inputs = match.groups()
            datatype = re.search(r"Datatype: (\w+)", inputs)
            nodes = tuple(ONNX_NODE.findall(line.rpartition("Metadata:")[2]))
            found.append(EngineLayer(name, kind, _precision(datatype.group(1)) if datatype else None, nodes))
    return found


def layers_from_inspector(text: str) -> list[EngineLayer]:
    """Return the layers in an engine inspector's JSON. Raises ExportError when it is not JSON."""
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"the engine inspector's answer is not the JSON expected ({error!r})") from error
    return [_inspected(layer) for layer in layers if isinstance(layer, dict)]


def _inspected(layer: Mapping[str, Any]) -> EngineLayer:
    inputs = layer.get("Inputs") or [{}]
    said = [inputs[0].get("Datatype"), inputs[0].get("Format/Datatype")]
    # With a dynamic batch the formats read "N/A due to dynamic shapes"; the weights still tell.
    weights = layer.get("Weights")
    said.append(weights.get("Type") if isinstance(weights, dict) else None)
    known = [_precision(str(text)) for text in said if text]
    return EngineLayer(
        name=str(layer.get("Name", "")),
        kind=str(layer.get("LayerType", "")),
        precision=next((precision for precision in known if precision), None),
        nodes=tuple(ONNX_NODE.findall(str(layer.get("Metadata", "")))),
    )


def _precision(text: str) -> str | None:
    return next((name for name, words in PRECISION_WORDS if words.search(text)), None)


def check_asked(asked: Mapping[str, str], card: ModelCard) -> None:
    """Raise ExportError when the graph does not hold the precision its card claims."""
    counts = Counter(asked.values())
    holds = {
        "fp32": set(counts) <= {"fp32"},
        "fp16": counts["fp16"] > 0 and counts["int8"] == 0,
        "int8": counts["int8"] > 0,
    }
    if not holds[card.precision]:
        fix = "edgessd export" if card.precision == "fp32" else f"edgessd quantize --precision {card.precision}"
        raise ExportError(
            f"the card of {card.name} says {card.precision}, its graph asks for {_listed(counts)} convolutions",
            fix=f"make the model again with `{fix}`",
        )


def prove(asked: Mapping[str, str], layers: Sequence[EngineLayer], source: str) -> dict[str, Any]:
    """Return the card's ``layers``: how many, in which precisions, and the convolutions asked and built.

    A convolution the engine's list does not name (inside a DLA node, or by a version that tells less) counts as
    not reported. Raises ExportError when one runs in another precision than asked.
    """
    built = {
        node: layer.precision
        for layer in layers
        if MULTIPLIES.search(layer.kind)
        for node in layer.nodes
        if node in asked and layer.precision
    }
    wrong = {name: built[name] for name in built if built[name] != asked[name]}
    if wrong:
        examples = [f"{name} {asked[name]} -> {wrong[name]}" for name in list(wrong)[:NAMED_IN_ERROR]]
        raise ExportError(
            f"{len(wrong)} of {len(asked)} convolutions are not built in the precision the graph asks "
            f"({', '.join(examples)}{(', ...' if len(wrong) > NAMED_IN_ERROR else '')})",
            fix="no engine was written; keep these layers in float, or use another TensorRT version",
        )
    return {
        "source": source,
        "total": len(layers),
        "precisions": dict(Counter(layer.precision for layer in layers if layer.precision)),
        "convolutions": len(asked),
        "convolutions_asked": dict(Counter(asked.values())),
        "convolutions_built": dict(Counter(str(precision) for precision in built.values())),
        "not_reported": len(asked) - len(built),
        "proven": len(built) == len(asked),
    }


def proof_line(layers: Mapping[str, Any]) -> str:
    """Return the proof in words: ``35 of 35 convolutions int8 (build log)``."""
    total, built = layers["convolutions"], layers["convolutions_built"]
    parts = [f"{count} of {total} convolutions {precision}" for precision, count in sorted(built.items(), reverse=True)]
    if layers["not_reported"]:
        parts.append(f"{layers['not_reported']} of {total} not reported, so not proven")
    return f"{', '.join(parts)} ({layers['source']})"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no"
