"""The command's entry point: ``edgessd.cli.main``, a stable name for programs that start it in their own process."""

import sys


def main() -> None:
    """Run the command. Ctrl-C while its verbs are still loaded, seconds on a small board, ends it in silence too."""
    try:
        from edgessd.commands.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    command()
