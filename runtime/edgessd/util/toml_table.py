"""TOML to dataclasses: every key known, every value of its type and range, an error that names the place.

A field says what it takes in its type: ``workers: Annotated[int, Range(1, 256)] = 2``. A field with ``repr=False``
holds a secret: its value is in no error. ``metadata={"key": "from"}`` is a key that cannot be a field's name.
"""

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from edgessd.errors import InputError
from edgessd.util.files import readable
from edgessd.util.outside_text import NAME, outside_text, quoted
from edgessd.util.suggestions import did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = TypeVar("Table")
_MOST_BYTES = 1_000_000
_MOST_LETTERS, _MOST_DOTS = 4096, 128  # of a line: the parser's time grows faster than the square of a key's parts
_LONGEST_NAME = 255  # bytes of a file's name, in every common file system
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Range(NamedTuple):
    """The numbers a field may have, both ends included."""

    low: float
    high: float


class Choice(NamedTuple):
    """The words a field may have."""

    words: tuple[str, ...]

    @property
    def has_numbers(self) -> bool:
        """Return whether a number may be meant."""
        return any(word.isdigit() for word in self.words)


# What a number may be where nothing narrower is said.
_ANY = {int: Range(-(2**63), 2**63 - 1), float: Range(-sys.float_info.max, sys.float_info.max)}


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return a TOML file's content. what: "configuration", "recipe". Raises InputError, also for a huge file."""
    with readable(path, what).open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(f"the {what} {path} has more than {_MOST_BYTES // 1000} kB", fix="make several of it")
    try:
        return parse_toml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"the {what} {path} is not UTF-8 at byte {error.start}", fix="save it as UTF-8") from error
    except InputError as error:
        raise error.within(f"the {what} {path}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text holds. Raises InputError."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _MOST_LETTERS or line.count(".") > _MOST_DOTS:
            raise InputError(f"line {number} has over {_MOST_LETTERS} letters or {_MOST_DOTS} dots", fix="break it up")
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except RecursionError as error:
        raise InputError("it is no TOML that can be read: too deeply nested", fix="take brackets out") from error
    except ValueError as error:  # also for integers of over 4,300 digits and dates that are none
        raise InputError(f"it is no TOML: {outside_text(error, NAME)}", fix="correct the line") from error
    return table


def from_table(kind: type[Table], table: object, where: str = "") -> Table:
    """Return the dataclass ``kind`` filled from a table. ``${NAME}`` in a text is the environment's value.

    where: the table's name, for errors. Raises InputError for an unknown or missing key and for a value of another
    type or outside the field's ``Range`` or ``Choice``.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} must be a table of keys and values, got {_named(table)}")
    known: dict[str, Field[Any]] = {
        field.metadata.get("key", field.name): field
        for field in fields(kind)  # type: ignore[arg-type]
    }
    hints = get_type_hints(kind, include_extras=True)
    place = f"{where} " if where else "it "
    for key in table:
        if key not in known:
            raise InputError(f"{place}has no key {quoted(key)}", fix=did_you_mean(key, known))
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"{place}needs the key {name!r}", fix="add it")
    values = {
        known[key].name: _checked(
            hints[known[key].name], value, f"{where}.{key}" if where else key, shown=known[key].repr
        )
        for key, value in table.items()
    }
    try:
        return kind(**values)
    except InputError as error:
        raise (error.within(where) if where else error) from error


def _checked(hint: Any, value: object, where: str, *, shown: bool) -> object:
    """Return a value as its hint wants it. shown: whether an error may hold it."""
    rule = None
    if get_origin(hint) in (Union, UnionType):
        hint = next(member for member in get_args(hint) if member is not type(None))
    if get_origin(hint) is Annotated:
        hint, rule = get_args(hint)
    origin = get_origin(hint) or hint
    if isinstance(value, str):
        shown = shown and not _VARIABLE.search(value)
        value = _with_environment(value, where)
    elif isinstance(rule, Choice) and rule.has_numbers and type(value) is int and value.bit_length() < 64:
        value = str(value)  # precision = 16 says the same as "16"
    if is_dataclass(hint):
        return from_table(hint, value, where)  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_items(get_args(hint), value, where, shown=shown))
    if origin is Mapping and isinstance(value, Mapping):
        inner = get_args(hint)[1]
        return {key: _checked(inner, item, f"{where}.{outside_text(key, NAME)}", shown=shown)
                for key, item in value.items()}  # fmt: skip
    if hint is Any:
        return value
    if origin is float and type(value) is int:
        value = float(value) if value.bit_length() < 1024 else math.inf
    if origin is Path and isinstance(value, str):
        return _path(value, where)
    if type(value) is not origin:
        # A text is not shown: it may be a password on the wrong line.
        found = _number(value) if origin in _ANY and type(value) in _ANY else _named(value)
        unquote = origin in _ANY and isinstance(value, str)
        fix = "write the number without quotes" if unquote else None
        raise InputError(f"{where} must be {_WORDS[origin]}, got {found}", fix=fix)
    return _within(value, rule or _ANY.get(origin), where, shown=shown)


def _items(hints: tuple[Any, ...], values: "list[object] | tuple[object, ...]", where: str, *, shown: bool
           ) -> Iterator[object]:  # fmt: skip
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(values)
    if len(values) != len(hints):
        raise InputError(f"{where} must be a list of {len(hints)}, got {len(values)}")
    for index, (hint, value) in enumerate(zip(hints, values, strict=True)):
        yield _checked(hint, value, f"{where}[{index}]", shown=shown)


def _within(value: Any, rule: Range | Choice | None, where: str, *, shown: bool) -> Any:
    if isinstance(rule, Choice) and value not in rule.words:
        found = f"got {quoted(value)}" if shown else "got another word"
        raise InputError(f"{where} must be one of {', '.join(rule.words)}, {found}", fix=_hint(value, rule, shown))
    if isinstance(rule, Range) and not rule.low <= value <= rule.high:
        raise InputError(f"{where} must be {rule.low:g} to {rule.high:g}, got {_number(value)}")
    if isinstance(value, str) and "\0" in value:
        raise InputError(f"{where} holds a NUL byte", fix="take it out")
    return value


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) or abs(value) < 1e18 else "a number beyond all use"


def _hint(value: str, rule: Choice, shown: bool) -> str:
    return did_you_mean(value, rule.words) if shown else "take one of these"


def _path(text: str, where: str) -> Path:
    if not text or "://" in text or not text.isprintable():
        found = "an empty text" if not text else "an address" if "://" in text else "a control character in it"
        raise InputError(f"{where} must be a path, got {found}", fix="give a file or folder of this machine")
    if text == "~" or text.startswith("~/"):
        raise InputError(f"{where} must be a path, and ~ is the shell's word", fix="write ${HOME} for the home folder")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in Path(text).parts) or len(os.fsencode(text)) > 4095:
        raise InputError(f"{where} has a name of over {_LONGEST_NAME} bytes", fix="shorten it")
    return Path(text)


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
    words = _WORDS | {list: "a list"}
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
