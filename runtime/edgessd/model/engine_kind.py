"""What an engine file is, from its first bytes: TensorRT's, or one with another exporter's JSON before it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.util.bounded_json import parse_json, short
from edgessd.util.files import readable

PLAN_MAGIC = {b"ftrt": "TensorRT", b"vtrt": "TensorRT-RTX"}
MAX_PREFIX_BYTES = 1 << 20


def prefix_of(path: Path) -> dict[str, Any] | None:
    """Return the JSON that some exporters (Ultralytics) put before an engine, None where there is none.

    Its layout is a little-endian 32-bit length, that many bytes of JSON, then the engine.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(4), "little")
        if not 0 < length <= MAX_PREFIX_BYTES:
            return None
        try:
            value = parse_json(file.read(length), most=MAX_PREFIX_BYTES)
        except InputError:
            return None
    return value if isinstance(value, dict) else None


def kind_of(path: Path) -> str:
    """Return in words what an engine file is, from its first bytes alone."""
    readable(path, "engine")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in PLAN_MAGIC:
        return f"a bare {PLAN_MAGIC[magic]} engine"
    prefix = prefix_of(path)
    if prefix is None:
        return "no TensorRT engine"
    facts: dict[str, Any] = {
        key: prefix[key] for key in ("description", "task", "imgsz", "batch", "stride") if key in prefix
    }
    names = prefix.get("names")
    if isinstance(names, Mapping | list):
        facts["classes"] = len(names)
    listed = ", ".join(f"{key} {_plain(value)}" for key, value in facts.items())
    return f"an engine with another exporter's JSON before it ({listed or 'no known keys'})"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and len(value) < 60 else short(value)
