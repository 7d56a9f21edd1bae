"""Pre-labels pictures: detect, write, and show all on one sheet."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.sinks.draw import draw
from edgessd.sinks.images import write_image
from edgessd.util.files import make_folder
from edgessd_training.data.images import read_image
from edgessd_training.data.kept import place_image
from edgessd_training.picture_workers import Look
from edgessd_training.pictures.sheet import montage
from edgessd_training.prelabel.formats import Labelled, Writer, refuse_other
from edgessd_training.prelabel.pictures import Left, Picture, pictures

TILE, COLUMNS, MOST_TILES = 300, 6, 48
BESIDE = (".xml", ".txt", ".json")  # labels of a picture that somebody has drawn
LABELLED = "it has labels already"


@dataclass
class Done:
    """What came of it. boxes: by label. left: pictures left out, and why."""

    pictures: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)


def label(
    data: str,
    look: Look,
    labels: tuple[str, ...],
    writer: Writer,
    out: Path,
    every: int,
    on_picture: Callable[[], object],
) -> Done:
    """Write labels and pictures below ``out``, and sheet.jpg with the first 48; return what was done.

    look: may take pictures before it yields what is in those before. labels: of the model's classes.
    A picture that has labels, there or beside it, is left as it is. Raises what ``pictures`` and ``look`` do.
    """
    refuse_other(out, writer)
    writer.start(out, labels)
    done = Done()
    tiles: list[NDArray[np.uint8]] = []
    taken: deque[Picture] = deque()

    def leave(left: Left) -> None:
        done.left.append(left)
        on_picture()

    def unlabelled() -> Iterator[Path | NDArray[np.uint8]]:
        for picture in pictures(data, every, (out / writer.images, out / "sheet.jpg")):
            if isinstance(picture, Left):
                leave(picture)
            elif writer.has(out, picture.name) or _labelled_beside(picture.content):
                leave(Left(picture.name, LABELLED))
            else:
                taken.append(picture)
                yield picture.content

    for seen in look(unlabelled()):
        picture = taken.popleft()
        if isinstance(seen, DataError):
            leave(Left(picture.name, str(seen)))
            continue
        _keep(picture, out / writer.images / picture.name)
        writer.add(out, Labelled(picture.name, seen.height, seen.width, seen.found), labels)
        done.pictures += 1
        done.boxes.update(labels[index] for index in seen.found.classes.tolist())
        if len(tiles) < MOST_TILES:
            tiles.append(_tile(draw(_image(picture), seen.found, labels)))
        on_picture()
    if done.pictures:
        writer.finish(out, labels)
        write_image(out / "sheet.jpg", montage(tiles, min(COLUMNS, len(tiles))))
    return done


def _labelled_beside(content: Path | NDArray[np.uint8]) -> bool:
    return isinstance(content, Path) and any(content.with_suffix(suffix).is_file() for suffix in BESIDE)


def _image(picture: Picture) -> NDArray[np.uint8]:
    return read_image(picture.content) if isinstance(picture.content, Path) else picture.content


def _keep(picture: Picture, place: Path) -> None:
    """Put the picture beside its labels: a link to the file, or the frame as JPEG."""
    if isinstance(picture.content, Path):
        place_image(picture.content, place)
        return
    make_folder(place.parent)
    write_image(place, picture.content)


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = TILE / max(image.shape[:2])
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
