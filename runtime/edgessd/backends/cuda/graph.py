"""CUDA graphs: the driver's six functions through ctypes, since pycuda has none, on either library's streams."""

import ctypes

from edgessd.backends.cuda.errors import CudaError
from edgessd.backends.cuda.library import Library

# Other threads may allocate while this one captures (cuda.h, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).
_THREAD_LOCAL = 1


def begin_capture(library: Library, stream: int) -> None:
    """Start to record the stream's work instead of running it."""
    library.call("cuStreamBeginCapture_v2", ctypes.c_void_p(stream), _THREAD_LOCAL)


def end_capture(library: Library, stream: int) -> int:
    """Return the recorded work, ready to launch. Raises CudaError when what was recorded is no graph."""
    graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
    library.call("cuStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
    if not graph.value:
        raise CudaError("the stream recorded no graph", fix="run without CUDA graphs")
    try:
        library.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
    finally:
        library.call("cuGraphDestroy", graph)
    return int(executable.value or 0)


def launch(library: Library, executable: int, stream: int) -> None:
    """Put the recorded work on a stream."""
    library.call("cuGraphLaunch", ctypes.c_void_p(executable), ctypes.c_void_p(stream))


def destroy(library: Library, executable: int) -> None:
    """Free the recorded work."""
    library.call("cuGraphExecDestroy", ctypes.c_void_p(executable))
