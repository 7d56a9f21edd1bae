"""What CUDA's driver is to this package, whichever library reaches it.

A driver belongs to the thread that opened it. Pointers and handles are plain integers, as TensorRT takes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.library import Device


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
