"""The CUDA driver and its first device, asked through ctypes before any CUDA library is touched.

TensorRT 11 kills the process where there is no driver, so nothing of it is called before ``cuda_device``.
"""

import ctypes
from dataclasses import dataclass

from edgessd.errors import BackendError

LIBRARY = "libcuda.so.1"
COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
NAME_BYTES = 256


@dataclass(frozen=True)
class CudaDevice:
    """A GPU's name, compute capability such as ``8.7``, memory, and the newest CUDA its driver runs."""

    name: str
    compute_capability: str
    memory_bytes: int
    driver_cuda: str


def cuda_device() -> CudaDevice:
    """Return the first device this process may use. Raises BackendError naming what is missing."""
    try:
        driver = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise BackendError(f"no CUDA driver ({LIBRARY} does not load): install NVIDIA's driver") from error
    _call(driver, "cuInit", 0)
    count = ctypes.c_int()
    _call(driver, "cuDeviceGetCount", ctypes.byref(count))
    if count.value == 0:
        raise BackendError("the CUDA driver shows no device: check CUDA_VISIBLE_DEVICES and the container's GPU access")
    device, version, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(NAME_BYTES)
    _call(driver, "cuDeviceGet", ctypes.byref(device), 0)
    _call(driver, "cuDeviceGetName", name, NAME_BYTES, device)
    _call(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    _call(driver, "cuDriverGetVersion", ctypes.byref(version))
    capability = []
    for attribute in (COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR):
        value = ctypes.c_int()
        _call(driver, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return CudaDevice(
        name=name.value.decode(errors="replace"),
        compute_capability=f"{capability[0]}.{capability[1]}",
        memory_bytes=memory.value,
        driver_cuda=f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def find_cuda_device() -> CudaDevice | None:
    """Return the first device, None where there is no working driver."""
    try:
        return cuda_device()
    except BackendError:
        return None


def _call(driver: ctypes.CDLL, function: str, *arguments: object) -> None:
    status = getattr(driver, function)(*arguments)
    if status != 0:
        raise BackendError(f"the CUDA driver does not work ({function} returned {status}): check it with nvidia-smi")
