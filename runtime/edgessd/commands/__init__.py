"""The runtime's verbs, one module each; a module's heavy imports happen inside its verb."""

import typer


def register(app: typer.Typer) -> None:
    """Add the runtime's verbs to the command."""
