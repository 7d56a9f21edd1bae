"""The runtime's verbs, one module each; a module's heavy imports happen inside its verb."""

import typer

from edgessd.commands.archive import archive
from edgessd.commands.bench import bench
from edgessd.commands.demo import demo
from edgessd.commands.detect import detect
from edgessd.commands.doctor import doctor
from edgessd.commands.hash_password import hash_password
from edgessd.commands.info import info
from edgessd.commands.run import run
from edgessd.commands.selftest import selftest


def register(app: typer.Typer) -> None:
    """Add the runtime's verbs to the command."""
    app.command()(demo)
    app.command()(detect)
    app.command()(bench)
    app.command()(info)
    app.command()(run)
    app.command()(archive)
    app.command()(doctor)
    app.command()(selftest)
    app.command()(hash_password)
