"""The one resize: the same bytes on every processor and with every OpenCV, and its arithmetic by hand."""

import hashlib

import numpy as np
import pytest

from edgessd.errors import InputError
from edgessd.model.preprocess import to_input


# Recorded on x86 with OpenCV 5.0; 4.8 and Arm give the same (docs/measurements/arm64.md).
@pytest.mark.parametrize(
    ("height", "width", "digest"),
    [(720, 1280, "af0f40147f845102"), (333, 500, "5d026fa6a8ec3d4e"), (150, 200, "69fbe62b690adb4a")],
)
def test_the_bytes_are_the_same_everywhere(height: int, width: int, digest: str) -> None:
    image = np.random.RandomState(7).randint(0, 256, (height, width, 3)).astype(np.uint8)
    assert hashlib.sha256(to_input(image, 300, 300).tobytes()).hexdigest()[:16] == digest


def test_half_the_size_is_the_mean_of_four() -> None:
    image = np.array([[[10, 0, 4], [20, 0, 8]], [[30, 0, 0], [40, 0, 0]]], np.uint8)
    assert to_input(image, 1, 1).tolist() == [[[25, 0, 3]]]


def test_the_networks_own_size_is_not_touched() -> None:
    image = np.zeros((3, 5, 3), np.uint8)
    assert to_input(image, 3, 5) is image


@pytest.mark.parametrize(
    "image", [None, np.zeros((0, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3))]
)
def test_what_is_no_bgr_image_is_refused(image) -> None:
    with pytest.raises(InputError):
        to_input(image, 300, 300)
