"""Recipes from TOML: every key known, every value of its type and range, or refused with the nearest known key."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from edgessd.errors import InputError
from edgessd.util.files import readable
from edgessd_training.recipe import Choice, Range, Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).with_name("recipes")


def recipe_path(text: str) -> Path:
    """Return the file of a recipe given by its path, or by the name of a shipped one. Raises InputError."""
    path = Path(text)
    if path.suffix == ".toml" or path.exists():
        return readable(path, "recipe")
    shipped = {entry.stem: entry for entry in sorted(SHIPPED.glob("*.toml"))}
    if text in shipped:
        return shipped[text]
    fix = f"give the path of a TOML file, or a shipped one ({', '.join(shipped)})"
    raise InputError(f"no recipe {text!r}", fix=fix)


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a TOML file with ``key=value`` changes, such as optimizer.lr=0.01. Raises InputError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the recipe {path} is not TOML: {error}") from error
    for change in changes:
        _change(table, change)
    recipe = recipe_from(table, where=str(path))
    if "classes" in recipe.network:
        raise InputError(f"{path}: network.classes is counted from the data", fix="leave it out")
    if not isinstance(recipe.network.get("family"), str):
        raise InputError(f"{path}: network.family is missing", fix="name a network, such as ssd300_vgg16")
    return recipe


def recipe_from(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Return the recipe that a table of plain values describes. Raises InputError naming the key."""
    recipe: Recipe = _filled(Recipe, table, "", where)
    return recipe


def as_table(recipe: Recipe) -> dict[str, Any]:
    """Return the resolved recipe as plain values, every default written out."""
    return asdict(recipe)


def _filled(kind: Any, table: Mapping[str, Any], prefix: str, where: str) -> Any:
    known = {entry.name: entry for entry in fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known here: {', '.join(known)}"
            raise InputError(f"{where}: unknown key {prefix}{key}", fix=hint)
    for key, entry in known.items():
        if entry.default is MISSING and entry.default_factory is MISSING and key not in table:
            raise InputError(f"{where}: the key {prefix}{key} is missing", fix="a recipe needs a name and a [network]")
    return kind(**{key: _checked(value, hints[key], f"{prefix}{key}", where) for key, value in table.items()})


def _checked(value: Any, hint: Any, key: str, where: str) -> Any:
    """Return the value as its hint wants it."""
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _refused(where, key, f"a table, written [{key}]", value)
        return _filled(hint, value, f"{key}.", where)
    if get_origin(hint) is Annotated:
        kind, rule = get_args(hint)
        if isinstance(rule, Choice) and str(value) in rule.words:
            value = str(value)  # precision = 16 says the same as "16"
        return _within(_checked(value, kind, key, where), rule, key, where)
    if get_origin(hint) is tuple:
        return _checked_list(value, get_args(hint), key, where)
    if get_origin(hint) is not None:  # Mapping[str, str] or Mapping[str, Any]
        if not isinstance(value, Mapping):
            raise _refused(where, key, f"a table, written [{key}]", value)
        inner = get_args(hint)[1]
        return {name: item if inner is Any else _checked(item, inner, f"{key}.{name}", where)
                for name, item in value.items()}  # fmt: skip
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise _refused(where, key, names[hint], value)
    return value


def _checked_list(value: Any, hints: tuple[Any, ...], key: str, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _refused(where, key, "a list", value)
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(value) != len(hints):
        raise _refused(where, key, f"a list of {len(hints)}", value)
    return tuple(_checked(item, hint, key, where) for item, hint in zip(value, hints, strict=True))


def _within(value: Any, rule: Range | Choice, key: str, where: str) -> Any:
    if isinstance(rule, Choice):
        if value not in rule.words:
            raise _refused(where, key, f"one of {', '.join(rule.words)}", value)
    elif not rule.low <= value <= rule.high:
        raise _refused(where, key, f"{rule.low:g} to {rule.high:g}", value)
    return value


def _refused(where: str, key: str, rule: str, value: Any) -> InputError:
    return InputError(where, fix=f"{key} must be {rule}, got {value!r}")


def _change(table: dict[str, Any], change: str) -> None:
    """Put one ``key=value`` into the table; the value is TOML, or a text where it is none."""
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes key=value, such as optimizer.lr=0.01, got {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {change}", fix=f"{parent} is a value, not a table")
        table = inner
    table[last] = value
