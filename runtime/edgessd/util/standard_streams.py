"""Standard input, output and error that are closed or whose reader has gone."""

import os
from contextlib import suppress
from pathlib import Path


def occupy_closed() -> None:
    """Open the null device where standard input, output or error is closed.

    Otherwise the next file that is opened gets the free number, and what libraries print goes into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number, which is this one


def discard(number: int) -> None:
    """Send what is still buffered for a descriptor to the null device: Python would retry at exit and complain."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), number)
