"""The one way to a terminal: strings are shown as they are, never as markup, emoji codes or control characters."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgessd.util.outside_text import outside_text
from edgessd.util.standard_streams import discard


class PlainConsole(Console):
    """A console whose strings are text, in tables too; what is styled is given as ``rich.text.Text``.

    soft_wrap: long lines are left to the terminal, so that a command can be copied; False folds the cells of a table.
    """

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = True) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, *, style: Any = "", justify: Any = None, **options: Any) -> Text:
        """Return the text of a string; its own line breaks stay, all else that a terminal acts on is escaped."""
        return Text("\n".join(map(outside_text, text.split("\n"))), style=style, justify=justify)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does. Messages that standard error refuses are discarded: they must not stop the work."""
        try:
            super().print(*objects, **options)
        except OSError:
            if not self.stderr:
                raise
            discard(2)

    def on_broken_pipe(self) -> None:
        """Raise the error; rich would exit with code 1."""
        raise

    def print_facts(self, facts: Mapping[str, str]) -> None:
        """Print a name and what it is on each line, side by side."""
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for row in facts.items():
            table.add_row(*row)
        self.print(table)


def say(text: str, *, err: bool = False) -> None:
    """Print a text as ``PlainConsole`` shows it. err: on standard error."""
    PlainConsole(stderr=err).print(text)


def notice(word: str, message: str, style: str) -> Text:
    """Return a line such as ``error: no video at x.mp4``: the word in a style, the message on one line."""
    return Text.assemble((f"{word}:", style), " ", outside_text(message))
