"""A dataclass from a TOML table: every key known, every value of its type, an error that names the place."""

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from edgessd.errors import InputError
from edgessd.util.suggestions import did_you_mean

Table = TypeVar("Table")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def from_table(kind: type[Table], table: object, where: str) -> Table:
    """Return the dataclass ``kind`` filled from a table. ``${NAME}`` in a text is the environment's value.

    Raises InputError for an unknown or missing key, or a value of another type.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} must be a table of keys and values, got {_named(table)}")
    known: dict[str, Field[Any]] = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    for key in table:
        if key not in known:
            raise InputError(f"{where} has no key {key!r}", fix=did_you_mean(key, known))
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{where} needs the key {name!r}", fix="add it")
    values = {key: _value(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except InputError as error:
        raise error.within(where) from error


def _value(hint: Any, value: object, where: str) -> object:
    if isinstance(value, str):
        value = _with_environment(value, where)
    if get_origin(hint) in (Union, UnionType):
        hint = next(member for member in get_args(hint) if member is not type(None))
    origin = get_origin(hint) or hint
    if origin is tuple and isinstance(value, list):
        return tuple(_value(get_args(hint)[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Mapping and isinstance(value, Mapping):
        return {key: _value(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin is Path and isinstance(value, str):
        return Path(value)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin in (str, int, float, bool) and type(value) is origin:
        return value
    # The value is not shown: it may be a password on the wrong line.
    raise InputError(f"{where} must be {_WORDS[origin]}, got {_named(value)}")


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    tuple: "a list",
    Mapping: "a table of keys and values",
}


def _named(value: object) -> str:
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list"}
    return words.get(type(value), "a table" if isinstance(value, Mapping) else type(value).__name__)


def _with_environment(text: str, where: str) -> str:
    def replace(found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise InputError(
                f"{where} uses ${{{found[1]}}}, which the environment does not set", fix=f"export {found[1]}=..."
            )
        return value

    return _VARIABLE.sub(replace, text)
