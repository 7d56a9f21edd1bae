"""How many files and connections this process may have open."""

import os
from errno import EMFILE, ENFILE

_OF_ONE_SOURCE = 8
RAISE_THE_LIMIT = "raise `ulimit -n`, for a service LimitNOFILE="


def descriptor_limit() -> int | None:
    """Return how many this process may have open (``ulimit -n``), None where nothing bounds it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def too_few_are_left() -> bool:
    """Return whether hardly a further file or connection can be opened: libraries tell that by any other name.

    A library opens several at once, and another stream may have ended since it failed.
    """
    opened = []
    try:
        for _ in range(_OF_ONE_SOURCE):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (EMFILE, ENFILE)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False
