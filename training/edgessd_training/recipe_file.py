"""Recipes from TOML files, with changes from the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.util.files import readable
from edgessd.util.suggestions import did_you_mean
from edgessd.util.toml_table import from_table, parse_toml, read_toml
from edgessd_training.recipe import Recipe

SHIPPED = Path(__file__).with_name("recipes")


def recipe_path(text: str) -> Path:
    """Return the file of a recipe given by its path, or by the name of a shipped one. Raises InputError."""
    path = Path(text)
    if path.suffix == ".toml" or path.exists():
        return readable(path, "recipe")
    shipped = {entry.stem: entry for entry in sorted(SHIPPED.glob("*.toml"))}
    if text in shipped:
        return shipped[text]
    raise InputError(f"no recipe {text!r}", fix=f"give a TOML file, or a shipped one; {did_you_mean(text, shipped)}")


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Return the recipe of a TOML file with ``key=value`` changes, such as optimizer.lr=0.01. Raises InputError."""
    table = read_toml(path, "recipe")
    for change in changes:
        _change(table, change)
    return recipe_from(table, where=f"the recipe {path}")


def recipe_from(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Return the recipe that a table of plain values describes. Raises InputError naming the key."""
    try:
        return from_table(Recipe, table)
    except InputError as error:
        raise error.within(where) from error


def as_table(recipe: Recipe) -> dict[str, Any]:
    """Return the resolved recipe as plain values, every default written out."""
    return asdict(recipe)


def _change(table: dict[str, Any], change: str) -> None:
    """Put one ``key=value`` into the table; the value is TOML, or a text where it is none."""
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes key=value, such as optimizer.lr=0.01, got {change!r}")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except InputError:
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise InputError(f"--set {change}", fix=f"{parent} is a value, not a table")
        table = inner
    table[last] = value
