"""The export package's verbs, one module each; torch and TensorRT are imported inside the verbs."""

import typer

from edgessd_export.commands.build import build
from edgessd_export.commands.card import card
from edgessd_export.commands.deploy import deploy
from edgessd_export.commands.export import export
from edgessd_export.commands.quantize import quantize
from edgessd_export.commands.verify import verify


def register(app: typer.Typer) -> None:
    """Add the export package's verbs to the command."""
    app.command()(export)
    app.command()(quantize)
    app.command()(build)
    app.command()(verify)
    app.command()(deploy)
    app.command()(card)
