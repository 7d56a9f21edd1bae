"""A process that has hardly a file left to open says so, whatever the library calls it."""

import os
import resource
from pathlib import Path

import pytest

from edgessd.util.descriptors import too_few_are_left


@pytest.mark.parametrize(("left", "too_few"), [(0, True), (4, True), (64, False)])
def test_what_is_left(left: int, too_few: bool) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free; those above it may be taken
    os.close(free)
    taken = [number for number in (int(path.name) for path in Path("/proc/self/fd").iterdir()) if number > free]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + len(taken) + left if left > 8 else free + left, before[1]))
    try:
        assert too_few_are_left() == too_few
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not too_few_are_left()
