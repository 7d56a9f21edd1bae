"""Standard input, output and error where they are closed, or nobody takes what is written there."""

import os
from contextlib import suppress
from pathlib import Path


def occupy_closed() -> None:
    """Open the null device where standard input, output or error is closed.

    A file that is opened later would take the free number, and with it what libraries print or read there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number, which is this one


def drop(number: int) -> None:
    """Send what is still to be written to a descriptor nowhere: Python would try it again at its end, and complain."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), number)
