"""Detections of many pictures, here or by a Ray cluster, whose workers read and answer with boxes alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.archive.cluster import Actors
from edgessd.archive.team import run_in_order
from edgessd.detector import Detector
from edgessd.errors import BackendError, DataError
from edgessd.model.detections import Detections, refuse_nonfinite
from edgessd.model.postprocess import PostProcess
from edgessd.model.shipped import model_path
from edgessd_training.data.images import read_image

Picture = Path | NDArray[np.uint8]  # a file that every node can open, or (H, W, 3) uint8 BGR
AHEAD = 2  # tasks a worker, at most, while the oldest is not done


@dataclass(frozen=True)
class Seen:
    """What is in a picture of this size; boxes in its pixels."""

    height: int
    width: int
    found: Detections


# Takes pictures; yields what is in each, or why it cannot be read, in their order.
Look = Callable[[Iterable[Picture]], Iterator[Seen | DataError]]


class PictureWorker:
    """A detector on one core."""

    def __init__(self, model: Path, backend: str, settings: PostProcess, batch: int) -> None:
        """batch: pictures a call of the model. Raises what ``Detector`` raises."""
        cv2.setNumThreads(1)
        self._batch = batch
        self._detector = Detector(model, backend=backend, settings=settings, threads=1)

    def do(self, pictures: Sequence[Picture]) -> list[Seen | DataError]:
        """Return what is in each picture, or why it cannot be read. Raises BackendError for NaN or infinity."""
        read = [_read(picture) for picture in pictures]
        images = [image for image in read if not isinstance(image, DataError)]
        found: list[Detections] = []
        for start in range(0, len(images), self._batch):
            few = images[start : start + self._batch]
            found += self._detector.detect_batch(few + [few[-1]] * (self._batch - len(few)))[: len(few)]
        for detections in found:
            refuse_nonfinite(detections)
        ready = iter(found)
        return [image if isinstance(image, DataError) else _seen(image, next(ready)) for image in read]


@contextmanager
def looking_here(model: str | Path, backend: str, settings: PostProcess) -> Iterator[Look]:
    """Yield what looks at pictures one by one in this process. Raises what ``Detector`` raises."""
    with Detector(model, backend=backend, settings=settings) as detector:

        def look(pictures: Iterable[Picture]) -> Iterator[Seen | DataError]:
            for picture in pictures:
                image = _read(picture)
                yield image if isinstance(image, DataError) else _seen(image, detector.detect(image))

        yield look


@contextmanager
def looking_on_ray(
    model: str | Path, address: str, *, backend: str, settings: PostProcess, batch: int = 1, size: int
) -> Iterator[Look]:
    """Yield what lets a cluster look at pictures, a worker a core, or a GPU for an engine.

    address: as ``Actors`` takes it. batch: pictures a call of the model. size: pictures a task, made whole batches.
    Raises InputError where no cluster answers; looking raises BackendError for pictures that end workers.
    """
    path = model_path(model).absolute()
    task = -(-size // batch) * batch
    make = partial(PictureWorker, path, backend, settings, batch)
    with Actors(make, address, None, gpu=path.suffix == ".engine") as team:

        def look(pictures: Iterable[Picture]) -> Iterator[Seen | DataError]:
            groups = _groups(map(_absolute, pictures), task)  # workers have folders of their own
            for _, seen in run_in_order(team, groups, _lost, ahead=AHEAD * team.size):
                yield from seen

        yield look


def _seen(image: NDArray[np.uint8], found: Detections) -> Seen:
    height, width = image.shape[:2]
    return Seen(height, width, found)


def _read(picture: Picture) -> NDArray[np.uint8] | DataError:
    if not isinstance(picture, Path):
        return picture
    try:
        return read_image(picture)
    except DataError as error:
        return error


def _absolute(picture: Picture) -> Picture:
    return picture.absolute() if isinstance(picture, Path) else picture


def _groups(pictures: Iterable[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while group := list(islice(rest, size)):
        yield group


def _lost(pictures: Sequence[Picture], reason: str) -> list[Seen | DataError]:
    names = [str(picture) for picture in pictures if isinstance(picture, Path)] or ["a frame"]
    raise BackendError(f"{reason}; one of {len(pictures)} pictures from {names[0]} on ends them")
