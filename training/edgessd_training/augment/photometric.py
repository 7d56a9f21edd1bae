"""Photometric distortion (paper, sec. 2.2, "Data augmentation", after Howard 2013; numbers of the paper's code)."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

BRIGHTNESS = 32.0  # added to every channel
CONTRAST = (0.5, 1.5)
SATURATION = (0.5, 1.5)
HUE_DEGREES = 36.0  # the paper's code says 18 on OpenCV's scale of 0..180
LEVELS = np.arange(256, dtype=np.float32)


def distort(image: Image, rng: np.random.Generator, strength: float = 1.0) -> Image:
    """Return the image with brightness, contrast, saturation and hue each changed with probability 1/2.

    strength scales all four ranges; 1 is the paper's, 0 changes nothing. Contrast comes first or last.
    """
    if rng.random() < 0.5:
        image = _levels(image, 1.0, _around(rng, BRIGHTNESS * strength))
    contrast = _factor(rng, CONTRAST, strength)
    contrast_first = rng.random() < 0.5
    if contrast_first:
        image = _levels(image, contrast, 0.0)
    image = shift_hue_saturation(
        image,
        _around(rng, HUE_DEGREES * strength) if rng.random() < 0.5 else 0.0,
        _factor(rng, SATURATION, strength),
    )
    return image if contrast_first else _levels(image, contrast, 0.0)


def _around(rng: np.random.Generator, reach: float) -> float:
    return float(rng.uniform(-reach, reach))


def _factor(rng: np.random.Generator, bounds: tuple[float, float], strength: float) -> float:
    """Return a factor within the bounds with probability 1/2, else 1."""
    value = float(rng.uniform(*bounds))
    return 1 + (value - 1) * strength if rng.random() < 0.5 else 1.0


def _levels(image: Image, factor: float, shift: float) -> Image:
    if factor == 1 and shift == 0:
        return image
    table = np.rint(LEVELS * factor + shift).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def shift_hue_saturation(image: Image, degrees: float, factor: float) -> Image:
    """Return the image with its hue turned by degrees and its saturation multiplied; grey stays grey."""
    if degrees == 0 and factor == 1:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV_FULL)  # hue on 0..255, so that it wraps as uint8 does
    turn = int(np.rint(degrees / 360 * 256))
    tables = np.empty((1, 256, 3), np.uint8)
    tables[0, :, 0] = (np.arange(256) + turn) % 256
    tables[0, :, 1] = np.rint(LEVELS * factor).clip(0, 255)
    tables[0, :, 2] = np.arange(256)
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, tables), cv2.COLOR_HSV2BGR_FULL), np.uint8)
