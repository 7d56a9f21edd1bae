"""Frames for the tiny model of the runtime's tests."""

import numpy as np


def blue_cell(row: int, column: int, *, height: int = 24, width: int = 32) -> np.ndarray:
    """Return a black frame in which one cell of the 3x4 grid is pure blue."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[row * height // 3 : (row + 1) * height // 3, column * width // 4 : (column + 1) * width // 4, 0] = 255
    return frame
