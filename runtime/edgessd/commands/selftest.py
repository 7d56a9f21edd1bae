"""``edgessd selftest``: a model on every backend that this machine has, and a report to paste."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edgessd.commands.options import Json


def selftest(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a shipped model.")] = "default",
    backend: Annotated[
        str | None, typer.Option(help="Try this backend alone.", show_default="all that run here")
    ] = None,
    json_path: Json = None,
) -> None:
    """Run a model's self-test on every backend here: exit 0 when all agree with the card, 1 when one does not.

    An ONNX file's TensorRT engine is built on first use, which takes minutes.
    """
    import json
    from dataclasses import asdict

    from edgessd.backends import choose
    from edgessd.doctor.facts import gather
    from edgessd.doctor.trial import try_backend
    from edgessd.doctor.verdicts import verdicts
    from edgessd.errors import BackendError
    from edgessd.model.card import card_of
    from edgessd.model.shipped import model_path
    from edgessd.util.console import PlainConsole
    from edgessd.util.files import file_sha256, writable, write_text
    from edgessd.util.overwrite import keep_apart

    path = model_path(model)
    card = card_of(path)
    if json_path:
        keep_apart({"--json": writable(json_path)}, [path])
    chosen = choose(path, backend, card).name if backend else None
    facts = gather()
    here = list(dict.fromkeys(verdict.backend.split()[0] for verdict in verdicts(facts) if verdict.runs))
    wanted = [chosen] if chosen else ["tensorrt"] if path.suffix == ".engine" else here
    trials = [try_backend(path, card, name) for name in wanted]
    PlainConsole().print(_report(path, file_sha256(path), card, facts, trials))
    if json_path:
        write_text(json_path, json.dumps({"facts": facts, "trials": [asdict(trial) for trial in trials]}, indent=1))
    failed = [trial.backend for trial in trials if trial.error]
    if failed or not trials:
        raise BackendError(
            f"the self-test failed on {', '.join(failed)}: see the report above"
            if failed
            else "no backend runs here: `edgessd doctor` names the next command"
        )


def _report(path: Path, sha256: str, card: Any, facts: dict[str, Any], trials: list[Any]) -> str:
    """Return the report as plain text, the machine first."""
    from edgessd.doctor.report import rows

    lines = [f"{name}: {value}" for name, value in rows(facts).items()]
    lines.append(f"model: {card.name}, {card.precision}, {card.contract}, {path.name}, sha256 {sha256[:12]}")
    for trial in trials:
        lines.append(f"{trial.name}: {'FAILED' if trial.error else 'ok'}{_figures(trial)}")
        if trial.error:
            lines.append(f"  {trial.error}")
    return "\n".join(lines)


def _figures(trial: Any) -> str:
    figures = []
    if trial.difference is not None:
        figures.append(f"self-test off by {trial.difference:.2g} of {trial.tolerance:.2g} allowed")
    if trial.milliseconds is not None:
        figures.append(f"loaded in {trial.load_seconds:.2f} s")
        figures.append(f"{trial.milliseconds:.1f} ms an inference (median of 20, no benchmark)")
    return f" ({'; '.join(figures)})" if figures else ""
