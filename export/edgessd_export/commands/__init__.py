"""The export package's verbs, one module each; torch and TensorRT are imported inside the verbs."""

import typer


def register(app: typer.Typer) -> None:
    """Add the export package's verbs to the command."""
