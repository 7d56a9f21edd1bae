"""What the checks share, as a plugin: it loads the stand-in driver into their process; see ../test_cuda_stand_in.py."""

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stand_in_cuda

from edgessd.backends.cuda import Driver, open_driver

STAND_IN = stand_in_cuda.load(Path(os.environ["STAND_IN_CUDA"]))
LIBRARY = os.environ["STAND_IN_DRIVER"]
KINDS = (b"device", b"pinned", b"stream", b"event", b"graph", b"executable", b"module", b"primary")


@pytest.fixture(autouse=True)
def only_this_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let edgessd find one of the two libraries alone."""
    monkeypatch.setattr("edgessd.backends.cuda.installed", lambda: (LIBRARY,))


@pytest.fixture
def stand_in() -> Iterator[ctypes.CDLL]:
    """Yield the stand-in as new; afterwards nothing that a test made may be alive."""
    STAND_IN.stand_in_reset()
    yield STAND_IN
    left = {kind.decode(): STAND_IN.stand_in_alive(kind) for kind in KINDS if STAND_IN.stand_in_alive(kind)}
    lost = STAND_IN.stand_in_lost()
    STAND_IN.stand_in_reset()
    assert lost or not left, f"left alive: {left}"
    assert not STAND_IN.stand_in_has_context(), "a context is still current on the test's thread"


@pytest.fixture
def driver(stand_in: ctypes.CDLL) -> Iterator[Driver]:
    """Yield an open driver."""
    with open_driver() as opened:
        yield opened


@pytest.fixture
def calls(stand_in: ctypes.CDLL) -> Callable[[], list[str]]:
    """Return a function that gives the driver's calls since its last use."""

    def since() -> list[str]:
        made = stand_in.stand_in_calls().decode().split()
        stand_in.stand_in_log(1)
        return made

    since()
    return since
