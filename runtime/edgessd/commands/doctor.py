"""``edgessd doctor``: what this machine has, which backends run, and the next command for those that do not."""

import json
from typing import Annotated, Any

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print all facts and verdicts as JSON.")] = False,
) -> None:
    """Check this machine: exit 0 when detection can run here, 1 when it cannot."""
    from dataclasses import asdict

    from edgessd.diagnosis.facts import gather
    from edgessd.diagnosis.verdicts import can_detect, verdicts, video_note

    facts = gather()
    found, note = verdicts(facts), video_note(facts)
    if as_json:
        report = {**facts, "backends": [asdict(verdict) for verdict in found], "video_note": note}
        typer.echo(json.dumps({**report, "can_detect": can_detect(found)}, indent=1))
    else:
        _print(facts, found, note)
    raise typer.Exit(0 if can_detect(found) else 1)


def _print(facts: dict[str, Any], found: list[Any], note: str | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from edgessd.diagnosis.report import rows

    console = Console(highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows(facts).items():
        table.add_row(name, value)
    console.print(table)
    console.print()
    backends = Table(box=None, pad_edge=False)
    for heading in ("backend", "here", "why", "next command"):
        backends.add_column(heading, overflow="fold")
    for verdict in found:
        here = "[green]runs[/]" if verdict.runs else "[yellow]no[/]"
        backends.add_row(verdict.backend, here, _plain(verdict.reason), _plain(verdict.command or ""))
    console.print(backends)
    if note:
        console.print(f"\n[yellow]video:[/] {_plain(note)}")


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
