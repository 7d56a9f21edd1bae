"""One piece of memory with a CPU side and a device side: two copies, or the same memory on an integrated GPU."""

from edgessd.backends.cuda.driver import Driver
from edgessd.backends.cuda.errors import CudaError


class Buffer:
    """Owns pinned memory and its counterpart on the device, ``pointer``.

    On an integrated GPU (a Jetson) both are one memory and nothing is copied.
    """

    def __init__(self, driver: Driver, size: int) -> None:
        """Raises OutOfDeviceMemory, leaving nothing allocated."""
        self._driver = driver
        self.pinned = driver.allocate_pinned(size, mapped=driver.device.integrated)
        self.shared = self.pinned.pointer is not None
        try:
            self.pointer = driver.allocate(size) if self.pinned.pointer is None else self.pinned.pointer
        except CudaError:
            driver.free_pinned(self.pinned)
            raise

    def to_device(self, size: int, stream: int) -> None:
        """Put the copy of the first ``size`` bytes on the stream."""
        if not self.shared:
            self._driver.copy_to_device(self.pointer, self.pinned.bytes[:size], stream)

    def to_host(self, size: int, stream: int) -> None:
        """Put the copy back on the stream."""
        if not self.shared:
            self._driver.copy_to_host(self.pinned.bytes[:size], self.pointer, stream)

    def close(self) -> None:
        """Free both sides."""
        if not self.shared:
            self._driver.free(self.pointer)
        self._driver.free_pinned(self.pinned)
