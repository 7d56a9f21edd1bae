"""Mutations of JSON values and of bytes, seeded: values that readers trip over, in places where others stood."""

import copy
import json
import random
from typing import Any

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -(10**400), 0.0, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"),
    float("-inf"), "", "x", "\0", "\ud800", "\x1b[2J", "a" * 5000, "1", "../../x", [], {}, [[]], [None], [1, "x"],
    {"": None}, {"x": {"y": []}},
]  # fmt: skip
TEXTS = [
    "NaN", "Infinity", "1e999", "9" * 5000, "[" * 50_000, '{"a":' * 20_000, '"\\ud800"', "\x00", "\ufeff",
]  # fmt: skip


def mutated_json(value: Any, rng: random.Random) -> str:
    """Return the text of a JSON value after one to three changes of values, keys or text."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        holder, key = _place(value, rng)
        choice = rng.random()
        if choice < 0.7:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
        elif choice < 0.8 and isinstance(holder, dict):
            del holder[key]
        elif choice < 0.9 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif isinstance(holder, dict):
            holder[str(rng.choice(HOSTILE))] = holder.pop(key)
    text = json.dumps(value)
    if rng.random() < 0.15:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(TEXTS) + text[at + rng.randrange(5) :]
    return text


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return bytes after one to eight changes: bits, runs, lengths, cuts and doubled parts."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)]) if data else b"\0"
            case 1:
                data[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\x80" * 4])
            case 2:
                data[at : at + rng.randrange(16)] = rng.randbytes(rng.randrange(16))
            case 3:
                data[at:at] = data[at : at + rng.randrange(64)]
            case 4:
                del data[at : at + rng.randrange(64)]
            case _:
                del data[rng.randrange(len(data) + 1) if rng.random() < 0.2 else len(data) :]
    return bytes(data)


def _place(value: Any, rng: random.Random) -> tuple[Any, Any]:
    """Return a container somewhere in a value and one of its keys."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.25:
            return value, key
        value = inner
