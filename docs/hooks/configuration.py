"""The pages of what TOML files may say, from the dataclasses that read them: every key, its type and its default.

The source is parsed, not imported, so that the site builds without OpenCV.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

HEAD = """# Configuration: streams.toml

Generated from the code. `edgessd run FILE --check` checks a file and reads no camera. `${NAME}` is replaced by the
environment variable. [deploy/streams.toml](../../deploy/streams.toml) is a commented example.

"""
TABLES = {
    "ModelTable": "[model]",
    "RunTable": "[run]",
    "StreamTable": "[[streams]]",
    "Zone": "[[streams.zones]]",
    "Line": "[[streams.lines]]",
    "Mask": "[[streams.masks]]",
    "ViewSettings": "[view]",
}
SOURCES = (
    "streams/retry.py",
    "config/__init__.py",
    "tracking/zones.py",
    "tracking/lines.py",
    "streams/motion_gate.py",
    "view/settings.py",
    "config/sinks.py",
)
RECIPE_HEAD = """# Keys of a recipe

Generated from the code. [Recipes](recipes.md) says how a recipe is read and which ones are shipped.

"""
NAMES = {
    "str": "text",
    "Path": "path",
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "Score": "number, 0 to 1",
    "Point": "[x, y]",
    "Megabytes": "number, 0.001 to 1e6",
    "Seconds": "seconds, 0 to 86400",
    "Files": "integer, 0 to 1000000",
    "Fraction": "number, 0 to 1",
    "Count": "integer, from 0",
    "Positive": "integer, from 1",
    "Rate": "number, 0 to 1000",
    "Byte": "integer, 0 to 255",
    "Any": "any",
    "Zone": "tables",
    "Line": "tables",
    "Mask": "tables",
    "Choice(NAMES)": '`"auto"`, `"onnxruntime"`, `"openvino"` or `"tensorrt"`',
    "Choice(INTERVALS)": '`"auto"`, or 1 to 10',
}


def on_files(files: Any, config: Any) -> None:
    """Add the pages. MkDocs calls this after it has listed docs/."""
    root = Path(config.docs_dir).parent
    streams = _streams(_classes(*(root / "runtime/edgessd" / name for name in SOURCES)))
    recipe = _recipe(_classes(root / "training/edgessd_training/recipe.py"))
    files.append(File.generated(config, "reference/configuration.md", content=HEAD + streams))
    files.append(File.generated(config, "reference/recipe-keys.md", content=RECIPE_HEAD + recipe))


def _classes(*paths: Path) -> dict[str, ast.ClassDef]:
    nodes = (node for path in paths for node in ast.parse(path.read_text()).body)
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def _streams(classes: dict[str, ast.ClassDef]) -> str:
    page = "".join(_table(classes[name], f"`{title}`", _told(classes[name]), classes) for name, title in TABLES.items())
    page += "\n## Sinks\n\nEach `[[sinks]]` has a `type`, and may have `streams`: the names of those it gets.\n"
    for node in classes.values():
        title, _, told = _told(node).partition(": ")
        if title.startswith("`type = "):  # as the docstring of every sink begins
            page += _table(node, title, told, classes, level=3)
    return page


def _recipe(classes: dict[str, ast.ClassDef]) -> str:
    recipe = classes["Recipe"]
    tables = {
        ast.unparse(field.target): classes.get(ast.unparse(field.annotation)) for field in _fields(recipe, classes)
    }
    recipe.body = [
        item for item in recipe.body if not isinstance(item, ast.AnnAssign) or not tables[ast.unparse(item.target)]
    ]
    page = _table(recipe, "At the top", _told(recipe), classes)
    return page + "".join(_table(node, f"`[{key}]`", _told(node), classes) for key, node in tables.items() if node)


def _told(node: ast.ClassDef) -> str:
    text = " ".join((ast.get_docstring(node) or "").replace("``", "`").split())
    return text.replace(" Raises InputError.", "")


def _table(node: ast.ClassDef, title: str, told: str, classes: dict[str, ast.ClassDef], *, level: int = 2) -> str:
    fields = list(_fields(node, classes))
    keys = {ast.unparse(field.target) for field in fields}
    told, about = _by_key(told.removeprefix(f"{title}. "), keys)
    for base in _bases(node, classes):
        about = _by_key(_told(base), keys)[1] | about
    rows = "".join(_row(field, about.get(ast.unparse(field.target), "")) for field in fields)
    intro = f"{told[:1].upper()}{told[1:]}\n\n" if told else ""
    return f"\n{'#' * level} {title}\n\n{intro}| key | value | default | what |\n|---|---|---|---|\n{rows}"


def _by_key(told: str, keys: set[str]) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of the whole, and of each key: it writes ``key: what it is.``"""
    about: dict[str, str] = {}
    starts = [match for match in re.finditer(r"((?:\w+, )*\w+): ", told) if set(match[1].split(", ")) <= keys]
    for start, end in zip(starts, [*(match.start() for match in starts[1:]), len(told)], strict=False):
        about |= dict.fromkeys(start[1].split(", "), told[start.end() : end].strip().removesuffix("."))
    return told[: starts[0].start()].strip() if starts else told, about


def _fields(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.AnnAssign]:
    """Yield the fields of a dataclass: the required ones first, its own before those of its bases."""
    own = [item for each in (node, *_bases(node, classes)) for item in each.body if isinstance(item, ast.AnnAssign)]
    yield from sorted(own, key=lambda item: item.value is not None)


def _bases(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes and base.id != "SinkTable":
            yield classes[base.id]
            yield from _bases(classes[base.id], classes)


def _row(field: ast.AnnAssign, told: str) -> str:
    key = ast.unparse(field.target)
    value = field.value
    if isinstance(value, ast.Call):  # dataclasses.field
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "metadata" in given:
            key = ast.literal_eval(given["metadata"])["key"]
        value = given.get("default") or (ast.parse("{}", mode="eval").body if "default_factory" in given else None)
    default = "required" if value is None else "" if ast.unparse(value) in ("None", "()", "{}") else _toml(value)
    return f"| `{key}` | {_kind(field.annotation)} | {default} | {told} |\n"


def _toml(value: ast.expr) -> str:
    try:
        return f"`{json.dumps(ast.literal_eval(value))}`"
    except ValueError:
        return f"`{ast.unparse(value)}`"


def _kind(annotation: ast.expr) -> str:
    """Return a type as a person reads it."""
    if isinstance(annotation, ast.BinOp):  # X | None
        return _kind(annotation.left)
    if isinstance(annotation, ast.Subscript):
        name, inner = ast.unparse(annotation.value), annotation.slice
        if name == "Annotated":
            assert isinstance(inner, ast.Tuple)
            kind, rule = inner.elts
            assert isinstance(rule, ast.Call)
            if ast.unparse(rule) in NAMES:
                return NAMES[ast.unparse(rule)]
            if ast.unparse(rule.func) == "Choice":
                if isinstance(rule.args[0], ast.Name):  # computed: what they are is in the docstring
                    return _kind(kind)
                return " or ".join(f'`"{choice}"`' for choice in ast.literal_eval(rule.args[0]))
            low, high = (ast.unparse(bound) for bound in rule.args)
            return f"{_kind(kind)}, {low} to {high}"
        first = inner.elts[-1 if name == "Mapping" else 0] if isinstance(inner, ast.Tuple) else inner
        return f"table of {_kind(first)}" if name == "Mapping" else f"list of {_kind(first)}"
    return NAMES.get(ast.unparse(annotation), ast.unparse(annotation))
