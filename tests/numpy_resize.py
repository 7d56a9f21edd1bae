"""The resize kernel's arithmetic in numpy, step by step in float32."""

import numpy as np


def numpy_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the image at another size, uint8 (height, width, 3), exactly as kernels/resize.cu computes it."""
    one, half = np.float32(1), np.float32(0.5)

    def places(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scale = np.float32(size) / np.float32(wanted)
        at = np.clip((np.arange(wanted, dtype=np.float32) + half) * scale - half, np.float32(0), np.float32(size - 1))
        low = at.astype(np.int32)
        return low, np.minimum(low + 1, size - 1), at - low.astype(np.float32)

    top, bottom, down = places(image.shape[0], height)
    left, right, across = places(image.shape[1], width)
    across, down = across[None, :, None], down[:, None, None]
    pixels = image.astype(np.float32)
    above = pixels[top][:, left] * (one - across) + pixels[top][:, right] * across
    below = pixels[bottom][:, left] * (one - across) + pixels[bottom][:, right] * across
    return np.rint(above * (one - down) + below * down).astype(np.uint8)
