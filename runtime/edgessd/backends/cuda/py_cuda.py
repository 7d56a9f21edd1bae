"""The driver interface on pycuda. Its objects are kept here by handle and freed on the thread that made them."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda import graph
from edgessd.backends.cuda.driver import Pinned
from edgessd.backends.cuda.errors import CudaError, DeviceLost, NoCuda, WrongThread
from edgessd.backends.cuda.library import OUT_OF_MEMORY, Library, device, error_of, load
from edgessd.util.extras import version_of

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def pycuda_driver(ordinal: int) -> Iterator["PyCudaDriver"]:
    """Yield the driver with the device's primary context current on this thread; free all that is left."""
    library = load()
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        raise NoCuda(
            f"pycuda does not load ({error})",
            fix="build it again for this Python and CUDA toolkit, "
            "or pip uninstall pycuda and pip install cuda-bindings",
        ) from error
    cuda.init()
    context = cuda.Device(ordinal).retain_primary_context()
    context.push()
    driver = PyCudaDriver(cuda, library, ordinal)
    try:
        yield driver
    finally:
        driver.free_all()
        # A context that is still on pycuda's stack when the interpreter ends aborts the process.
        cuda.Context.pop()
        context.detach()
        # detach() of a primary context pushes it once more and leaves it so.
        current = ctypes.c_void_p()
        library.call("cuCtxGetCurrent", ctypes.byref(current))
        if current.value == context.handle:
            library.call("cuCtxPopCurrent_v2", ctypes.byref(current))


def _named(method: Callable[P, R]) -> Callable[P, R]:
    """Return the method with pycuda's errors turned into those of edgessd."""

    @wraps(method)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        import pycuda.driver as cuda

        try:
            return method(*arguments, **named)
        except cuda.Error as error:
            raise _error(error, cuda) from error

    return call


def _error(error: Exception, cuda: Any) -> CudaError:
    call, _, text = str(error).partition(" failed: ")
    if isinstance(error, cuda.MemoryError):
        return error_of(call, OUT_OF_MEMORY, text)
    # pycuda keeps no number of the error; the device itself says whether it is lost, or current on another thread.
    try:
        load().call("cuCtxSynchronize")
    except (DeviceLost, WrongThread) as cause:
        return cause
    except CudaError:
        pass  # a passing trouble: the first error is the one to report
    return CudaError(str(error), fix="run again with CUDA_LAUNCH_BLOCKING=1 to find the call at fault")


class PyCudaDriver:
    """See ``edgessd.backends.cuda.Driver``."""

    def __init__(self, cuda: Any, library: Library, ordinal: int) -> None:
        self._cuda = cuda
        self._library = library
        self._memory: dict[int, Any] = {}
        self._pinned: dict[int, Any] = {}
        self._streams: dict[int, Any] = {}
        self._events: dict[int, Any] = {}
        self._kernels: dict[int, Any] = {}
        self._graphs: set[int] = set()
        self._next_event = 1
        self.device = device(library, ordinal)
        self.name = f"pycuda {version_of('pycuda')}"

    @_named
    def allocate(self, size: int) -> int:
        block = self._cuda.mem_alloc(size)
        self._memory[int(block)] = block
        return int(block)

    @_named
    def free(self, pointer: int) -> None:
        self._memory.pop(pointer).free()

    @_named
    def allocate_pinned(self, size: int, *, mapped: bool) -> Pinned:
        flags = self._cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        array = self._cuda.pagelocked_empty(size, np.uint8, mem_flags=flags)
        block = array.base
        self._pinned[array.ctypes.data] = block
        return Pinned(array, int(block.get_device_pointer()) if mapped else None)

    @_named
    def free_pinned(self, pinned: Pinned) -> None:
        self._pinned.pop(pinned.bytes.ctypes.data).free()

    @_named
    def copy_to_device(self, pointer: int, source: NDArray[np.uint8], stream: int) -> None:
        self._cuda.memcpy_htod_async(pointer, source, self._streams[stream])

    @_named
    def copy_to_host(self, target: NDArray[np.uint8], pointer: int, stream: int) -> None:
        self._cuda.memcpy_dtoh_async(target, pointer, self._streams[stream])

    @_named
    def create_stream(self) -> int:
        stream = self._cuda.Stream(1)  # CU_STREAM_NON_BLOCKING: the default stream holds it not up
        self._streams[stream.handle] = stream
        return int(stream.handle)

    @_named
    def synchronize(self, stream: int) -> None:
        self._streams[stream].synchronize()

    @_named
    def destroy_stream(self, stream: int) -> None:
        del self._streams[stream]  # its destructor frees it

    @_named
    def create_event(self, *, timed: bool) -> int:
        flags = self._cuda.event_flags
        event = self._cuda.Event(flags.BLOCKING_SYNC | (0 if timed else flags.DISABLE_TIMING))
        handle, self._next_event = self._next_event, self._next_event + 1
        self._events[handle] = event
        return handle

    @_named
    def record(self, event: int, stream: int) -> None:
        self._events[event].record(self._streams[stream])

    @_named
    def wait(self, event: int) -> None:
        self._events[event].synchronize()

    @_named
    def is_done(self, event: int) -> bool:
        return bool(self._events[event].query())

    @_named
    def elapsed_ms(self, start: int, stop: int) -> float:
        return float(self._events[stop].time_since(self._events[start]))

    @_named
    def destroy_event(self, event: int) -> None:
        del self._events[event]

    @_named
    def load_kernel(self, ptx: bytes, name: str) -> int:
        module = self._cuda.module_from_buffer(ptx)
        kernel = module.get_function(name)
        self._kernels[id(kernel)] = (module, kernel)
        return id(kernel)

    @_named
    def launch(
        self, kernel: int, grid: tuple[int, int], block: tuple[int, int], arguments: Sequence[Any], stream: int
    ) -> None:
        self._kernels[kernel][1](*arguments, grid=grid, block=(*block, 1), stream=self._streams[stream])

    def begin_capture(self, stream: int) -> None:
        graph.begin_capture(self._library, stream)

    def end_capture(self, stream: int) -> int:
        executable = graph.end_capture(self._library, stream)
        self._graphs.add(executable)
        return executable

    def launch_graph(self, executable: int, stream: int) -> None:
        graph.launch(self._library, executable, stream)

    def destroy_graph(self, executable: int) -> None:
        self._graphs.discard(executable)
        graph.destroy(self._library, executable)

    def check(self) -> None:
        self._library.call("cuCtxSynchronize")

    def free_all(self) -> None:
        """Free what is left, graphs first; a lost device frees nothing and is not asked to report it."""
        for executable in list(self._graphs):
            try:
                self.destroy_graph(executable)
            except DeviceLost:
                break
        for kept in (self._kernels, self._events, self._streams):
            kept.clear()
        for blocks in (self._memory, self._pinned):
            for block in blocks.values():
                block.free()
            blocks.clear()
