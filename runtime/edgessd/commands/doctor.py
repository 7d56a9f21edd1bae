"""``edgessd doctor``: what this machine has, which backends run, what is wrong, and the next command for each."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def doctor(
    config: Annotated[
        Path | None,
        typer.Option(
            help="Also check this file of `edgessd run`: cameras, broker, places, model.", show_default="none"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Also check this model or engine.", show_default="none")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all facts, verdicts and findings as JSON.")] = False,
) -> None:
    """Check this machine: exit 0 when detection can run here, 1 when it cannot.

    With --config or --model also 1 when a finding would stop `edgessd run`.

    A finding has a name, an effect (stops, retries, slows, warns), a cause and a command.
    """
    from dataclasses import asdict

    from edgessd.doctor.device_findings import board_findings
    from edgessd.doctor.facts import gather
    from edgessd.doctor.findings import Effect
    from edgessd.doctor.verdicts import can_detect, verdicts, video_note

    facts = gather()
    found, note = verdicts(facts), video_note(facts)
    given = _given(config, model, facts)
    findings = [*board_findings(facts), *given]
    if as_json:
        report = {**facts, "backends": [asdict(verdict) for verdict in found], "video_note": note}
        report |= {"findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps({**report, "can_detect": can_detect(found)}, indent=1))
    else:
        _print(facts, found, note, findings)
    stopped = any(finding.effect is Effect.STOPS for finding in given)
    raise typer.Exit(0 if can_detect(found) and not stopped else 1)


def _given(config: Path | None, model: str | None, facts: dict[str, Any]) -> list[Any]:
    """Return what is wrong with what was given."""
    from edgessd.doctor.findings import Effect, Finding
    from edgessd.doctor.model_findings import model_findings

    found = [] if model is None else model_findings(model, facts)
    if config is None:
        return found
    if not facts["opencv"] or "problem" in facts["opencv"]:
        cause = f"{config} was not checked: OpenCV does not load"
        return [*found, Finding("config-unchecked", Effect.STOPS, cause, "edgessd doctor, and bring OpenCV first")]
    from edgessd.doctor.config_findings import config_findings

    return [*found, *config_findings(config, facts)]


def _print(facts: dict[str, Any], found: list[Any], note: str | None, findings: list[Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgessd.doctor.report import rows
    from edgessd.util.console import PlainConsole, notice

    console = PlainConsole(soft_wrap=False)
    console.print_facts(rows(facts))
    console.print()
    backends = Table(box=None, pad_edge=False)
    for heading in ("backend", "here", "why"):
        backends.add_column(heading, overflow="fold")
    for verdict in found:
        here = Text("runs", "green") if verdict.runs else Text("no", "yellow")
        backends.add_row(verdict.backend, here, verdict.reason)
    console.print(backends)
    for verdict in found:
        if verdict.command:  # outside the table, where it can be copied
            console.print(f"next for {verdict.backend}: {verdict.command}", soft_wrap=True)
    if note:
        console.print("\n", notice("video", note, "yellow"), sep="")
    running = [verdict.backend for verdict in found if verdict.runs]
    console.print(f"\nDetection runs here: {', '.join(running)}." if running else "\nDetection cannot run here.")
    for finding in findings:
        console.print("\n", notice(f"{finding.id} ({finding.effect})", finding.cause, "yellow"), sep="", soft_wrap=True)
        console.print(f"  next: {finding.command}", soft_wrap=True)
