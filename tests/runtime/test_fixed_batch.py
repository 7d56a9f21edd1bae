import numpy as np
import pytest

from edgessd.backends.fixed_batch import in_parts


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_any_number_of_images_by_calls_of_two(count: int) -> None:
    calls: list[int] = []

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(len(images))
        return images.reshape(len(images), -1).sum(axis=1), images[:, 0, 0]

    images = np.arange(count * 6, dtype=np.uint8).reshape(count, 1, 2, 3)
    sums, corners = in_parts(run, images, 2)
    assert sums.tolist() == images.reshape(count, -1).sum(axis=1).tolist()
    assert corners.tolist() == images[:, 0, 0].tolist()
    assert set(calls) == {2}


def test_a_dynamic_batch_is_one_call() -> None:
    images = np.zeros((5, 1, 1, 3), np.uint8)
    assert in_parts(lambda some: (some[:, 0, 0, 0],), images, None)[0].shape == (5,)
