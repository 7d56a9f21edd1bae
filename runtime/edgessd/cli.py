"""The command's entry point: ``edgessd.cli.main``, a stable name for programs that start it in their own process."""

from edgessd.commands.cli import main as main
