"""Annotated images: every frame of ``detect``, or now and then one of a stream in which something was found."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError, VideoError
from edgessd.sinks.draw import draw_result
from edgessd.sinks.numbered_files import NumberedFiles
from edgessd.sources import IMAGE_SUFFIXES
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink
from edgessd.util.files import replacing, sink_folder, writable


class ImageSink(Sink):
    """Annotated images: one file, or a folder with a file a frame."""

    needs_image = True

    def __init__(self, path: Path, labels: tuple[str, ...]) -> None:
        """Raises InputError for a place that cannot be written."""
        self._path = path
        self._labels = labels
        self._name, self._repeats = "", 0
        self._folder = path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES
        if self._folder:
            sink_folder(path).mkdir(exist_ok=True)
        else:
            writable(path)

    def write(self, result: Result) -> None:
        """Write one picture; of an image with several the first keeps its name, the others are numbered.

        Raises InputError when the disk refuses it, or for a second picture where the target is one file.
        """
        name = Path(result.frame.source).name
        self._name, self._repeats = name, self._repeats + 1 if name == self._name else 0
        target = self._path
        if self._folder:
            if not name.lower().endswith(IMAGE_SUFFIXES):
                name = f"{Path(name).stem[:200]}_{result.frame.index:06d}.jpg"
            elif self._repeats:
                name = f"{Path(name).stem[:200]}_{self._repeats:06d}{Path(name).suffix}"
            target /= name
        elif self._repeats:
            raise InputError(f"{target} is one image, but {name} has several", fix="give a folder or a video")
        write_image(target, draw_result(result, self._labels))


class SnapshotSink(Sink):
    """An annotated JPEG when a frame holds a detection, named as ``NumberedFiles`` says; the oldest are deleted."""

    needs_image = True

    def __init__(self, folder: Path, labels: tuple[str, ...], *, interval: float, keep: int) -> None:
        """interval: at least so many seconds between two of a stream. keep: of a stream. Raises InputError."""
        sink_folder(folder).mkdir(exist_ok=True)
        self._labels = labels
        self._interval = interval
        self._files = NumberedFiles(folder, ".jpg", keep)
        self._last: dict[str, float] = {}

    def write(self, result: Result) -> None:
        """Write one picture if it is time for one. Raises InputError when the disk refuses it."""
        name, captured = result.frame.source, result.frame.captured_at
        if not len(result.detections) or captured - self._last.get(name, -self._interval) < self._interval:
            return
        self._last[name] = captured
        path = self._files.new(name, result.frame.wall_time)
        write_image(path, draw_result(result, self._labels))
        self._files.added(name, path)


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a whole image in the format of its suffix, or none. Raises InputError when the disk refuses it."""
    done, encoded = cv2.imencode(path.suffix, image)
    if not done:
        raise VideoError(f"OpenCV cannot write {path.suffix} images", fix="use .png or .jpg")
    with replacing(path) as unfinished:
        unfinished.write_bytes(encoded.tobytes())
