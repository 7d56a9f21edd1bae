"""CUDA's driver behind one small interface: pycuda where it is installed, cuda-bindings otherwise."""

from contextlib import AbstractContextManager
from importlib.util import find_spec

from edgessd.backends.cuda.driver import Driver
from edgessd.backends.cuda.errors import NoCuda

LIBRARIES = ("pycuda", "cuda-bindings")


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
