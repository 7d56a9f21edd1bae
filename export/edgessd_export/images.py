"""Images of a folder or a data set, as a network sees them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.model.card import ModelCard
from edgessd.model.preprocess import to_input
from edgessd_training.data.images import SUFFIXES, read_image

Item = TypeVar("Item")
GATE_IMAGES = 8


def image_paths(data: str) -> list[Path]:
    """Return the images of a folder, or of a data set as ``edgessd eval`` takes it. Raises DataError or InputError."""
    folder = Path(data)
    if folder.is_dir():
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"the folder {folder} holds no image ({', '.join(SUFFIXES)})", fix="give another")
        return paths
    from edgessd_training.data.read import read_data

    return [record.path for record in read_data(data).records]


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly spread over all: neighbours in a data set often look alike."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in np.unique(places)]


def inputs(paths: Sequence[Path], height: int, width: int) -> Iterable[NDArray[np.uint8]]:
    """Yield every image as the network sees it, (1, height, width, 3). Raises DataError for one that is broken."""
    for path in paths:
        yield to_input(read_image(path), height, width)[None]


def gate_images(data: str, card: ModelCard) -> list[NDArray[np.uint8]]:
    """Return a few of the images of a folder or data set, as ``inputs`` gives them."""
    return list(inputs(spread(image_paths(data), GATE_IMAGES), card.height, card.width))
