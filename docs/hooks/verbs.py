"""reference/cli.md from the command itself: every verb, its arguments and options, and their defaults."""

import re
from typing import Any

import typer
from mkdocs.structure.files import File

from edgessd.commands.cli import build_app

HEAD = """# The command line

Generated from the code. `edgessd VERB --help` prints the same on a terminal.

Exit codes: 0 done, 1 the work failed or a gate refused, 2 wrong usage or input. An error is one line with its fix;
`--debug` shows the traceback.

`edgessd --install-completion` installs completion for bash, zsh or fish; open a new shell after it.

"""


def on_files(files: Any, config: Any) -> None:
    """Add the page. MkDocs calls this after it has listed docs/."""
    group = typer.main.get_command(build_app())
    verbs = dict(_verbs(group, "edgessd"))
    lines = [f"| [`{name}`](#{_anchor(name)}) | {_cell(verb.help)} |\n" for name, verb in verbs.items()]
    sections = [_section(name, verb) for name, verb in verbs.items()]
    page = HEAD + "| verb | what it does |\n|---|---|\n" + "".join(lines) + "".join(sections)
    files.append(File.generated(config, "reference/cli.md", content=page))


def _verbs(group: Any, prefix: str) -> Any:
    """Yield the verbs of a group and of the groups in it, (name, command), in the order of the help."""
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _verbs(command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}", command


def _section(name: str, verb: Any) -> str:
    context = typer.Context(verb, info_name=name)
    usage = verb.get_usage(context).removeprefix("Usage: ").strip()
    text = f"\n## {name}\n\n{_plain(verb.help)}\n\n```\n{' '.join(usage.split())}\n```\n"
    for kind, title in (("argument", "argument"), ("option", "option")):
        rows = [_row(parameter, context) for parameter in verb.params if parameter.param_type_name == kind]
        if rows:
            text += f"\n| {title} | what | default |\n|---|---|---|\n" + "".join(rows)
    return text


def _row(parameter: Any, context: Any) -> str:
    names, told = parameter.get_help_record(context)
    what, _, extra = told.partition("  [")
    default = "required" if "required" in extra else ""
    if found := re.search(r"default: (.*?)(?:; |\]$)", extra):
        default = found[1].strip("()")
    limits = re.search(r"[\d.]*<?=?x[<>]=?[\d.]+", extra)
    what = what if limits is None else f"{what} ({limits[0].replace('x', '', 1) if 'x>' in limits[0] else limits[0]})"
    return f"| `{_plain(names)}` | {_cell(what)} | {_cell(default)} |\n"


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str | None) -> str:
    return _plain(text).replace("|", "\\|").replace("<", "&lt;") if "`" not in (text or "") else _plain(text)


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
