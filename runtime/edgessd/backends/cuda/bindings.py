"""The driver interface on cuda-bindings (NVIDIA's cuda-python), where pycuda is not installed."""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda import graph
from edgessd.backends.cuda.driver import Pinned
from edgessd.backends.cuda.errors import NoCuda
from edgessd.backends.cuda.library import Library, device, error_of, load
from edgessd.util.extras import pip_install, version_of

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
_DEVICE_MAP = 2  # CU_MEMHOSTALLOC_DEVICEMAP
_BLOCKING_SYNC, _NO_TIMING = 1, 2  # CU_EVENT_BLOCKING_SYNC, CU_EVENT_DISABLE_TIMING
_NOT_READY = 600


@contextmanager
def bindings_driver(ordinal: int) -> Iterator["BindingsDriver"]:
    """Yield the driver with the device's primary context current on this thread; free all that is left."""
    library = load()
    try:
        from cuda.bindings import driver as cuda
    except ImportError as error:
        again = pip_install("--force-reinstall", "cuda-bindings")
        raise NoCuda(f"cuda-bindings does not load ({error})", command=again) from error
    driver = BindingsDriver(cuda, library, ordinal)
    context = driver.call("cuDevicePrimaryCtxRetain", ordinal)
    driver.call("cuCtxPushCurrent", context)
    try:
        yield driver
    finally:
        driver.free_all()
        driver.call("cuCtxPopCurrent")
        driver.quietly("cuDevicePrimaryCtxRelease", ordinal)


class BindingsDriver:
    """See ``edgessd.backends.cuda.Driver``."""

    def __init__(self, cuda: Any, library: Library, ordinal: int) -> None:
        self._cuda = cuda
        self._library = library
        self._left: dict[tuple[str, int], None] = {}  # (the call that frees it, handle)
        self.device = device(library, ordinal)
        self.call("cuInit", 0)
        self.name = f"cuda-bindings {version_of('cuda-bindings')}"

    def call(self, name: str, *arguments: Any) -> Any:
        """Return the value of a call. Raises the named error of its result."""
        code, *values = getattr(self._cuda, name)(*arguments)
        if int(code):
            raise error_of(name, int(code), self._library.text(int(code)))
        return values[0] if values else None

    def quietly(self, name: str, *arguments: Any) -> None:
        """Call what frees something; a lost device frees nothing, which was reported when it was lost."""
        getattr(self._cuda, name)(*arguments)

    def _keep(self, freed_by: str, handle: Any) -> int:
        self._left[freed_by, int(handle)] = None
        return int(handle)

    def _free(self, freed_by: str, handle: int) -> None:
        del self._left[freed_by, handle]
        self.call(freed_by, handle)

    def allocate(self, size: int) -> int:
        return self._keep("cuMemFree", self.call("cuMemAlloc", size))

    def free(self, pointer: int) -> None:
        self._free("cuMemFree", pointer)

    def allocate_pinned(self, size: int, *, mapped: bool) -> Pinned:
        address = self._keep("cuMemFreeHost", self.call("cuMemHostAlloc", size, _DEVICE_MAP if mapped else 0))
        block = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        pointer = int(self.call("cuMemHostGetDevicePointer", address, 0)) if mapped else None
        return Pinned(block, pointer)

    def free_pinned(self, pinned: Pinned) -> None:
        self._free("cuMemFreeHost", pinned.bytes.ctypes.data)

    def copy_to_device(self, pointer: int, source: NDArray[np.uint8], stream: int) -> None:
        self.call("cuMemcpyHtoDAsync", pointer, source.ctypes.data, source.nbytes, stream)

    def copy_to_host(self, target: NDArray[np.uint8], pointer: int, stream: int) -> None:
        self.call("cuMemcpyDtoHAsync", target.ctypes.data, pointer, target.nbytes, stream)

    def create_stream(self) -> int:
        return self._keep("cuStreamDestroy", self.call("cuStreamCreate", _NON_BLOCKING))

    def synchronize(self, stream: int) -> None:
        self.call("cuStreamSynchronize", stream)

    def destroy_stream(self, stream: int) -> None:
        self._free("cuStreamDestroy", stream)

    def create_event(self, *, timed: bool) -> int:
        flags = _BLOCKING_SYNC | (0 if timed else _NO_TIMING)
        return self._keep("cuEventDestroy", self.call("cuEventCreate", flags))

    def record(self, event: int, stream: int) -> None:
        self.call("cuEventRecord", event, stream)

    def wait(self, event: int) -> None:
        self.call("cuEventSynchronize", event)

    def is_done(self, event: int) -> bool:
        code = int(self._cuda.cuEventQuery(event)[0])
        if code not in (0, _NOT_READY):
            raise error_of("cuEventQuery", code, self._library.text(code))
        return code == 0

    def elapsed_ms(self, start: int, stop: int) -> float:
        return float(self.call("cuEventElapsedTime", start, stop))

    def destroy_event(self, event: int) -> None:
        self._free("cuEventDestroy", event)

    def load_kernel(self, ptx: bytes, name: str) -> int:
        module = self.call("cuModuleLoadData", ptx + b"\0")
        self._keep("cuModuleUnload", module)
        return int(self.call("cuModuleGetFunction", module, name.encode()))

    def launch(
        self, kernel: int, grid: tuple[int, int], block: tuple[int, int], arguments: Sequence[Any], stream: int
    ) -> None:
        values = tuple(argument.item() for argument in arguments)
        types = tuple(np.ctypeslib.as_ctypes_type(argument.dtype) for argument in arguments)
        self.call("cuLaunchKernel", kernel, *grid, 1, *block, 1, 0, stream, (values, types), 0)

    def begin_capture(self, stream: int) -> None:
        graph.begin_capture(self._library, stream)

    def end_capture(self, stream: int) -> int:
        return self._keep("cuGraphExecDestroy", graph.end_capture(self._library, stream))

    def launch_graph(self, executable: int, stream: int) -> None:
        self.call("cuGraphLaunch", executable, stream)

    def destroy_graph(self, executable: int) -> None:
        self._free("cuGraphExecDestroy", executable)

    def check(self) -> None:
        self.call("cuCtxSynchronize")

    def free_all(self) -> None:
        """Free what is left, the newest first."""
        while self._left:
            (freed_by, handle), _ = self._left.popitem()
            self.quietly(freed_by, handle)
