"""The errors of CUDA, by what a caller can do about them."""

from edgessd.errors import BackendError


class CudaError(BackendError):
    """A call of CUDA's driver failed; later calls may succeed."""


class NoCuda(CudaError):
    """There is no driver, no device or no library to reach them; the text says what to install."""


class NoDriver(NoCuda):
    """libcuda is absent: there is no driver, or a container does not see it."""


class OutOfDeviceMemory(CudaError):
    """The device has too little free memory for what was asked."""


class DeviceLost(CudaError):
    """The device failed and answers every later call with the same error: only a new process can use it again."""


class WrongThread(CudaError):
    """CUDA was called by a thread that did not open it."""
