"""Annotated images: one, or one a frame."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.sinks.draw import draw
from edgessd.sources import IMAGE_SUFFIXES
from edgessd.streams.result import Result
from edgessd.util.files import writable


class ImageSink:
    """Annotated images: one file, or a folder with a file a frame."""

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        """Raises InputError for a place that cannot be written."""
        self._path = path
        self._labels = labels
        self._folder = path.suffix.lower() not in IMAGE_SUFFIXES
        if self._folder and not path.exists():
            writable(path)
            path.mkdir()
        elif not self._folder:
            writable(path)

    def write(self, result: Result) -> None:
        """Write one image. Raises VideoError when the disk refuses it."""
        annotated = draw(result.frame.image, result.detections, self._labels)
        target = self._path
        if self._folder:
            name = Path(result.frame.source).name
            is_image = name.lower().endswith(IMAGE_SUFFIXES)
            target /= name if is_image else f"{Path(name).stem}_{result.frame.index:06d}.jpg"
        write_image(target, annotated)

    def close(self) -> None:
        """Nothing is left open."""


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write one image in the format of its suffix. Raises VideoError when the disk refuses it."""
    done, encoded = cv2.imencode(path.suffix, image)
    try:
        if not done:
            raise VideoError(f"OpenCV cannot write {path.suffix} images", fix="use .png or .jpg")
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise VideoError(f"cannot write {path}: {error.strerror}", fix="free space or choose another place") from error
