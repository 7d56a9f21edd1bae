"""Frames that carry their number in their pixels, so that a lost, repeated or black one is seen."""

import numpy as np

BITS = 16


def numbered_frame(number: int, *, height: int = 48, width: int = 128) -> np.ndarray:
    """Return a green frame with a row of 16 squares at its foot, white for a 1: (height, width, 3) uint8 BGR."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, :, 1] = 200
    side = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            frame[height // 2 :, bit * side : (bit + 1) * side] = 255
    return frame


def number_of(frame: np.ndarray) -> int | None:
    """Return a frame's number, None for one that is not such a frame."""
    height, width = frame.shape[:2]
    if frame[: height // 4, :, 1].mean() < 100:
        return None
    side = width // BITS
    squares = (frame[height * 3 // 4, bit * side + side // 2].mean() for bit in range(BITS))
    return sum(1 << bit for bit, value in enumerate(squares) if value > 127)
