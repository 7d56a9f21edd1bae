"""libcuda.so.1 through ctypes: whether CUDA can run here, which devices there are, and the calls pycuda lacks.

This comes before any other CUDA library is loaded: TensorRT 11 crashes the process where there is no driver.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

from edgessd.backends.cuda.errors import CudaError, DeviceLost, NoCuda, NoDriver, OutOfDeviceMemory, WrongThread

OUT_OF_MEMORY = 2
INVALID_CONTEXT = 201
# cuda.h, CUresult: after these the context is unusable and answers nothing else.
STICKY = frozenset({214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999})
_MULTIPROCESSORS, _INTEGRATED, _MAJOR, _MINOR = 16, 18, 75, 76  # cuda.h, CUdevice_attribute
_START_FIXES = {
    3: "CUDA was started before this process was forked: start the process with multiprocessing's 'spawn'",
    34: "a stub of libcuda stands in the way: remove the toolkit's lib64/stubs folder from LD_LIBRARY_PATH",
    100: "the driver sees no GPU: check `nvidia-smi`, CUDA_VISIBLE_DEVICES, and in a container `--gpus all`",
    101: "no such device: check CUDA_VISIBLE_DEVICES",
    803: "the loaded driver module and libcuda differ in version: restart the machine after a driver update",
    804: "this GPU does not run forward-compatible libraries: update the driver instead",
    999: "the driver's kernel module does not answer: run `nvidia-smi`, then `sudo modprobe nvidia_uvm` or restart",
}


@dataclass(frozen=True)
class Device:
    """One GPU. compute_capability: such as ``8.7``; integrated: it shares the CPU's memory, as on a Jetson."""

    name: str
    compute_capability: str
    memory_bytes: int
    multiprocessors: int
    integrated: bool


@dataclass(frozen=True)
class CudaState:
    """What the driver says. problem: why nothing can run; None where all is well. fix: what to do about it.

    driver: whether there is one, though it may not start.
    """

    driver_version: str | None
    devices: tuple[Device, ...]
    problem: str | None = None
    fix: str | None = None
    driver: bool = True


class Library:
    """The driver's functions, every result checked."""

    def __init__(self, functions: Any) -> None:
        self._functions = functions

    def call(self, name: str, *arguments: Any) -> None:
        """Call one function. Raises CudaError, or one of its kinds, when its result is not success."""
        code = getattr(self._functions, name)(*arguments)
        if code:
            raise error_of(name, code, self.text(code))

    def text(self, code: int) -> str:
        """Return the driver's words for a result."""
        text = ctypes.c_char_p()
        self._functions.cuGetErrorString(code, ctypes.byref(text))
        return (text.value or b"unknown error").decode(errors="replace")

    def number(self, name: str, *arguments: Any) -> int:
        """Return the int that a function writes through its first argument."""
        value = ctypes.c_int()
        self.call(name, ctypes.byref(value), *arguments)
        return value.value


def error_of(call: str, code: int, text: str) -> CudaError:
    """Return the named error of a driver's result."""
    said = f"{call} failed: {text} (CUDA error {code})"
    if code == OUT_OF_MEMORY:
        return OutOfDeviceMemory(said, fix="free GPU memory, use a smaller batch, or a smaller model")
    if code in STICKY:
        return DeviceLost(said, fix="the GPU can be used again only by a new process; restart this one")
    if code == INVALID_CONTEXT:
        return WrongThread(said, fix="CUDA belongs to the thread that opened it; call it from that thread")
    return CudaError(said, fix="run again with CUDA_LAUNCH_BLOCKING=1 to find the call at fault")


def load() -> Library:
    """Return the driver's library, initialised. Raises NoCuda with the fix where it cannot be."""
    try:
        functions = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise NoDriver(
            "no NVIDIA driver here (libcuda.so.1 cannot be loaded)",
            fix="install the driver, in a container start it with `--gpus all`, on a Jetson with `--runtime nvidia`; "
            "without a GPU use --backend onnxruntime or openvino",
        ) from error
    library = Library(functions)
    code = functions.cuInit(0)
    if code:
        fix = _START_FIXES.get(code, "check `nvidia-smi`")
        raise NoCuda(f"CUDA cannot start: {library.text(code)} (CUDA error {code})", fix=fix)
    if library.number("cuDeviceGetCount") == 0:
        raise NoCuda("CUDA starts but sees no device", fix=_START_FIXES[100])
    return library


def device(library: Library, ordinal: int) -> Device:
    """Return what one device is. Raises CudaError for a number that does not exist."""
    handle = library.number("cuDeviceGet", ordinal)
    name = ctypes.create_string_buffer(256)
    library.call("cuDeviceGetName", name, len(name), handle)
    memory = ctypes.c_size_t()
    library.call("cuDeviceTotalMem_v2", ctypes.byref(memory), handle)
    multiprocessors, integrated, major, minor = (
        library.number("cuDeviceGetAttribute", attribute, handle)
        for attribute in (_MULTIPROCESSORS, _INTEGRATED, _MAJOR, _MINOR)
    )
    return Device(
        name.value.decode(errors="replace"), f"{major}.{minor}", memory.value, multiprocessors, bool(integrated)
    )


def state() -> CudaState:
    """Return what this machine's driver says; raises nothing."""
    try:
        library = load()
        version = library.number("cuDriverGetVersion")
        devices = tuple(device(library, ordinal) for ordinal in range(library.number("cuDeviceGetCount")))
    except CudaError as error:
        return CudaState(None, (), error.cause, error.fix, driver=not isinstance(error, NoDriver))
    return CudaState(f"{version // 1000}.{version % 1000 // 10}", devices)
