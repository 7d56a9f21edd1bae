"""Pre-labels pictures: detect, write, and show all on one sheet."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.detector import Detector
from edgessd.sinks.draw import draw
from edgessd.util.files import make_folder, replacing
from edgessd_training.data.kept import place_image
from edgessd_training.pictures.sheet import montage
from edgessd_training.prelabel.formats import Labelled, Writer
from edgessd_training.prelabel.pictures import Left, Picture, pictures

TILE, COLUMNS, MOST_TILES = 300, 6, 48
BESIDE = (".xml", ".txt", ".json")  # labels of a picture that somebody has drawn


@dataclass
class Done:
    """What came of it. boxes: by label. left: pictures left out, and why."""

    pictures: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)


def label(
    data: str, detector: Detector, writer: Writer, out: Path, every: int, on_picture: Callable[[], object]
) -> Done:
    """Write labels and pictures below ``out``, and sheet.jpg with the first 48; return what was done.

    A picture that has labels, there or beside it, is left as it is. Raises what ``pictures`` does.
    """
    done = Done()
    tiles: list[NDArray[np.uint8]] = []
    labels = detector.card.labels
    for picture in pictures(data, every):
        if isinstance(picture, Left):
            done.left.append(picture)
        elif writer.has(out, picture.name) or _labelled_beside(picture.path):
            done.left.append(Left(picture.name, "it has labels already"))
        else:
            found = detector.detect(picture.image)
            height, width = picture.image.shape[:2]
            _keep(picture, out / writer.images / picture.name)
            writer.add(out, Labelled(picture.name, height, width, found), labels)
            done.pictures += 1
            done.boxes.update(labels[index] for index in found.classes.tolist())
            if len(tiles) < MOST_TILES:
                tiles.append(_tile(draw(picture.image, found, labels)))
        on_picture()
    if done.pictures:
        writer.finish(out, labels)
        with replacing(out / "sheet.jpg") as unfinished:
            cv2.imwrite(str(unfinished), montage(tiles, min(COLUMNS, len(tiles))))
    return done


def _labelled_beside(path: Path | None) -> bool:
    return path is not None and any(path.with_suffix(suffix).is_file() for suffix in BESIDE)


def _keep(picture: Picture, place: Path) -> None:
    """Put the picture beside its labels: a link to the file, or the frame as JPEG."""
    if picture.path is not None:
        place_image(picture.path, place)
        return
    make_folder(place.parent)
    with replacing(place) as unfinished:
        cv2.imwrite(str(unfinished), picture.image, [cv2.IMWRITE_JPEG_QUALITY, 95])


def _tile(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = TILE / max(image.shape[:2])
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
