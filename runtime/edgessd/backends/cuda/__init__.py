"""CUDA's driver behind one small interface: pycuda where it is installed, cuda-bindings otherwise.

A driver belongs to the thread that opened it. Pointers and handles are plain integers, as TensorRT takes them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.errors import NoCuda
from edgessd.backends.cuda.library import Device

LIBRARIES = ("pycuda", "cuda-bindings")


@dataclass(frozen=True)
class Pinned:
    """Page-locked memory of the CPU. bytes: (n,) uint8; pointer: its address for the device, None if not mapped."""

    bytes: NDArray[np.uint8]
    pointer: int | None


class Driver(Protocol):
    """One device's primary context, current on one thread. All calls raise CudaError or one of its kinds."""

    name: str
    device: Device

    def allocate(self, size: int) -> int:
        """Return the pointer of ``size`` bytes on the device."""
        ...

    def free(self, pointer: int) -> None: ...

    def allocate_pinned(self, size: int, *, mapped: bool) -> Pinned:
        """Return page-locked memory; the device can address it too where it is mapped."""
        ...

    def free_pinned(self, pinned: Pinned) -> None: ...

    def copy_to_device(self, pointer: int, source: NDArray[np.uint8], stream: int) -> None:
        """Put a copy on the stream; ``source`` must be pinned and live until the stream has passed it."""
        ...

    def copy_to_host(self, target: NDArray[np.uint8], pointer: int, stream: int) -> None:
        """Put a copy on the stream; ``target`` must be pinned and is valid once the stream has passed it."""
        ...

    def create_stream(self) -> int: ...

    def synchronize(self, stream: int) -> None: ...

    def destroy_stream(self, stream: int) -> None: ...

    def create_event(self, *, timed: bool) -> int:
        """Return an event; waiting for it sleeps instead of spinning."""
        ...

    def record(self, event: int, stream: int) -> None: ...

    def wait(self, event: int) -> None:
        """Block, without the interpreter's lock, until the stream has passed the event."""
        ...

    def is_done(self, event: int) -> bool: ...

    def elapsed_ms(self, start: int, stop: int) -> float: ...

    def destroy_event(self, event: int) -> None: ...

    def load_kernel(self, ptx: bytes, name: str) -> int:
        """Return one kernel of a PTX text, which the driver compiles for its device."""
        ...

    def launch(
        self, kernel: int, grid: tuple[int, int], block: tuple[int, int], arguments: Sequence[Any], stream: int
    ) -> None:
        """Put a kernel on the stream. arguments: numpy scalars of the kernel's own types."""
        ...

    def begin_capture(self, stream: int) -> None: ...

    def end_capture(self, stream: int) -> int:
        """Return the work put on the stream since ``begin_capture``, as a graph ready to launch."""
        ...

    def launch_graph(self, graph: int, stream: int) -> None: ...

    def destroy_graph(self, graph: int) -> None: ...

    def check(self) -> None:
        """Wait for the device. Raises DeviceLost when it is beyond use."""
        ...


def installed() -> tuple[str, ...]:
    """Return which of LIBRARIES are installed, the preferred one first."""
    found = {"pycuda": find_spec("pycuda"), "cuda-bindings": find_spec("cuda") and find_spec("cuda.bindings")}
    return tuple(name for name in LIBRARIES if found[name])


def open_driver(library: str | None = None, *, ordinal: int = 0) -> AbstractContextManager[Driver]:
    """Return a device's driver for a with-block, which keeps its context current on this thread.

    library: one of LIBRARIES, the first one installed where None. Whatever is left allocated at the block's end
    is freed. Raises NoCuda where there is no driver, no device or neither library.
    """
    available = installed()
    if not available or (library and library not in available):
        raise NoCuda(
            f"{library or 'neither pycuda nor cuda-bindings'} is {'not ' if library else ''}installed",
            fix="pip install cuda-bindings, or pip install pycuda where the CUDA toolkit is present",
        )
    if (library or available[0]) == "pycuda":
        from edgessd.backends.cuda.py_cuda import pycuda_driver

        return pycuda_driver(ordinal)
    from edgessd.backends.cuda.bindings import bindings_driver

    return bindings_driver(ordinal)
