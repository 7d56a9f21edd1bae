"""Images of a folder or a data set, as a network sees them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError, InputError
from edgessd.model.card import ModelCard
from edgessd.model.preprocess import to_input
from edgessd_training.data.images import SUFFIXES, read_image

Item = TypeVar("Item")
GATE_IMAGES = 8
VARIETY_IMAGES = 64
SKETCH = 16  # pixels of a side at which two pictures are compared
SAME_LEVELS = 6.0  # of 255, more than the noise of a camera in the dark or of JPEG
MOST_BLANK, MOST_ALIKE = 0.1, 0.5


def image_paths(data: str) -> list[Path]:
    """Return the images of a folder, or of a data set as ``edgessd eval`` takes it. Raises DataError or InputError."""
    folder = Path(data)
    if folder.is_dir():
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"the folder {folder} holds no image ({', '.join(SUFFIXES)})", fix="give another")
        return paths
    from edgessd_training.data.read import read_data
    from edgessd_training.data.source import FORMATS

    if data.partition(":")[0] not in FORMATS:
        raise InputError(
            f"expected a folder of images or a data set, got {data}",
            fix=f"give a folder that exists, {', '.join(FORMATS.values())}",
        )
    return [record.path for record in read_data(data).records]


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly spread over all: neighbours in a data set often look alike."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in np.unique(places)]


def inputs(paths: Sequence[Path], height: int, width: int) -> Iterable[NDArray[np.uint8]]:
    """Yield every image as the network sees it, (1, height, width, 3). Raises DataError for one that is broken."""
    for path in paths:
        yield to_input(read_image(path), height, width)[None]


class GateImages(NamedTuple):
    """paths: all images of the kind. seen: those to calibrate on. held_out: gives the gate's own, for a card."""

    paths: list[Path]
    seen: list[Path]
    held_out: Callable[[ModelCard], list[NDArray[np.uint8]]]


def for_gate(calibration: str | None, data: str | None, most: int) -> GateImages:
    """Return the images to calibrate on, at most so many, and those for the gate, which calibration did not see.

    The gate's come from the labelled data set where there is one, else from the calibration images, a few of which are
    held out; of fewer than twice as many none is, and the gate looks at those that were calibrated on.
    """
    paths = image_paths(calibration) if calibration else []
    labelled = image_paths(data) if data else []
    chosen = spread(paths, most)
    unseen = _without(labelled, chosen) or _without(paths, chosen)
    if not unseen and len(chosen) >= 2 * GATE_IMAGES:
        unseen = spread(chosen, GATE_IMAGES)
        chosen = _without(chosen, unseen)
    kept = spread(unseen or chosen or labelled, GATE_IMAGES)
    return GateImages(paths or labelled, chosen, lambda card: list(inputs(kept, card.height, card.width)))


def _without(paths: Sequence[Path], taken: Sequence[Path]) -> list[Path]:
    places = {path.resolve() for path in taken}
    return [path for path in paths if path.resolve() not in places]


def variety_warning(paths: Sequence[Path]) -> str | None:
    """Return what is wrong with images as a sample, in one line: pictures of one colour, or most of them alike."""
    seen: list[NDArray[np.float32]] = []
    blank = alike = 0
    for path in spread(paths, VARIETY_IMAGES):
        small = cv2.resize(read_image(path), (SKETCH, SKETCH), interpolation=cv2.INTER_AREA).astype(np.float32)
        if (small.max(axis=(0, 1)) - small.min(axis=(0, 1))).max() < SAME_LEVELS:
            blank += 1
        elif any(np.abs(small - other).mean() < SAME_LEVELS for other in seen):
            alike += 1
        else:
            seen.append(small)
    count = blank + alike + len(seen)
    if blank > count * MOST_BLANK:
        return f"{blank} of {count} calibration images are of one colour: ranges of blank pictures cut real ones"
    if alike > count * MOST_ALIKE:
        return f"{alike} of {count} calibration images look alike: ranges without variety cut what they do not show"
    return None
