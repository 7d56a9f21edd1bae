"""Resizing on the device: the whole frame is copied there and one kernel writes the network's input.

The same arithmetic as ``edgessd.model.preprocess.to_input`` but for OpenCV's fixed-point weights: less than one grey
level apart on average.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.buffer import Buffer
from edgessd.backends.cuda.driver import Driver

PTX = Path(__file__).parent / "kernels" / "resize.ptx"
BLOCK = (32, 8)


def load_resize_kernel(driver: Driver) -> int:
    """Return the kernel, compiled by the driver for its device. Raises CudaError for a driver before CUDA 12.5."""
    return driver.load_kernel(PTX.read_bytes(), "resize_bgr")


class FrameResizer:
    """Owns the buffers of one frame, grown when a larger frame comes; its calls belong to the driver's thread."""

    def __init__(self, driver: Driver, kernel: int, height: int, width: int) -> None:
        """height, width: the network's input in pixels."""
        self._driver = driver
        self._kernel = kernel
        self._height, self._width = height, width
        self._buffer: Buffer | None = None

    def enqueue(self, frame: NDArray[np.uint8], target: int, stream: int) -> None:
        """Put the copy and the kernel on the stream. frame: (H, W, 3) BGR; target: (height, width, 3) on the device.

        The caller has waited for this resizer's last work, whose buffers are used again.
        """
        frame_height, frame_width = frame.shape[:2]
        buffer = self._buffer_of(frame.nbytes)
        np.copyto(buffer.pinned.bytes[: frame.nbytes].reshape(frame.shape), frame)
        buffer.to_device(frame.nbytes, stream)
        grid = (-(-self._width // BLOCK[0]), -(-self._height // BLOCK[1]))
        arguments = (
            np.uint64(buffer.pointer),
            np.int32(frame_height),
            np.int32(frame_width),
            np.uint64(target),
            np.int32(self._height),
            np.int32(self._width),
        )
        self._driver.launch(self._kernel, grid, BLOCK, arguments, stream)

    def _buffer_of(self, size: int) -> Buffer:
        if self._buffer is None or self._buffer.pinned.bytes.size < size:
            self.close()
            self._buffer = Buffer(self._driver, size)
        return self._buffer

    def close(self) -> None:
        """Free the buffers."""
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None
