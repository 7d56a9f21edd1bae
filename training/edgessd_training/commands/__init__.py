"""The training package's verbs, one module each; torch is imported inside the verbs that need it."""

import typer


def register(app: typer.Typer) -> None:
    """Add the training package's verbs to the command."""
