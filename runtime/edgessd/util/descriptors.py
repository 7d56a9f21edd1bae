"""How many files and connections this process may have open."""

import os
from errno import EMFILE, ENFILE

RAISE_THE_LIMIT = "raise `ulimit -n`, for a service LimitNOFILE="


def descriptor_limit() -> int | None:
    """Return how many this process may have open (``ulimit -n``), None where nothing bounds it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def none_is_left() -> bool:
    """Return whether no further file or connection can be opened: libraries tell that by any other name."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (EMFILE, ENFILE)
    return False
