"""JSON from outside, and single values of it: bounded, finite, and of the type that was asked for."""

import json
import math
from typing import Any, NoReturn

from edgessd.errors import InputError

MAX_DEPTH = 64
MAX_BYTES = 4 << 20
LARGEST_INTEGER = (1 << 63) - 1


def parse_json(text: str | bytes, *, most: int = MAX_BYTES) -> Any:
    """Return the value of a JSON text. most: its characters or bytes.

    Raises InputError for what is no JSON, for more than ``most`` or 64 levels, for NaN, infinity and integers beyond
    64 bits, for a key that comes twice, and for text with half a surrogate pair, which no file or terminal takes.
    """
    if len(text) > most:
        raise InputError(f"its JSON is longer than {most} characters")
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise InputError(f"its JSON is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        # Only the place is taken: the message may quote the text, which may be anything.
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"it is not JSON{place}") from error
    _check_values(value)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise InputError(f"a number is {name}, expected a finite one")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key that comes twice, as after an edit by hand, would lose one value in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("a key comes twice in one object")
    return found


def _check_values(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str):
                _check_text(item)
            elif isinstance(item, int):
                if abs(item) > LARGEST_INTEGER:
                    raise InputError("an integer has more than 64 bits")
            elif isinstance(item, float) and not math.isfinite(item):
                raise InputError("a number is beyond what a float holds")
        if not below:
            return
        level = below
    raise InputError(f"its JSON is nested deeper than {MAX_DEPTH} levels")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("a text holds half a surrogate pair, which is no character") from None


def number(value: Any, name: str, least: float, most: float) -> float:
    """Return a finite number from least to most. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise InputError(f"{name} must be a number from {least:g} to {most:g}, got {short(value)}")
    return float(value)


def whole(value: Any, name: str, least: int, most: int) -> int:
    """Return a whole number from least to most. Raises InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} must be a whole number from {least} to {most}, got {short(value)}")
    return value


def items(value: Any, name: str) -> list[Any]:
    """Return a list. Raises InputError."""
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list, got {short(value)}")
    return value


def short(value: Any, most: int = 60) -> str:
    """Return a value for a message: its type's name where it is large."""
    text = repr(value) if isinstance(value, bool | float | str | None) or _small(value) else type(value).__name__
    return text if len(text) <= most else f"{text[:most]}..."


def _small(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    return isinstance(value, list | tuple | dict) and len(value) <= 8
