"""Frames from disk: images, and video files through OpenCV."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.sources.frame import Frame
from edgessd.util.files import readable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 1 << 28


class Images:
    """Image files, in order; each is one frame."""

    live = False
    fps: float | None = None

    def __init__(self, paths: list[Path], name: str) -> None:
        self.paths = paths
        self.name = name
        self.frame_count: int | None = len(paths)

    def frames(self) -> Iterator[Frame]:
        """Yield one frame an image, named by its file. Raises VideoError for one that cannot be read."""
        for index, path in enumerate(self.paths):
            start = monotonic()
            image = read_image(path)
            now = monotonic()
            yield Frame(image, path.name, index, now, now - start)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image as (H, W, 3) uint8 BGR; grey and transparent images are converted.

    Raises VideoError when the file is no whole image.
    """
    readable(path, "image")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise VideoError(f"{path} is not an image that OpenCV reads, or is cut off", fix="convert it to PNG or JPEG")
    return np.asarray(image, np.uint8)


class VideoFile:
    """A video file, every frame of it."""

    live = False

    def __init__(self, path: Path) -> None:
        """Raises InputError or VideoError for what is no video."""
        self.name = str(readable(path, "video or image"))
        capture = self._open()
        fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        self.fps: float | None = fps if 0 < fps <= 1000 else None
        self.frame_count: int | None = int(count) if count > 0 else None

    def _open(self) -> cv2.VideoCapture:
        # One decoding thread beside the workers: more of them only queue for the same cores.
        capture = cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            capture = cv2.VideoCapture(self.name)
        if not capture.isOpened():
            raise VideoError(
                f"{self.name} is not a video that OpenCV can read, or is cut off",
                fix="convert it with ffmpeg, or copy it again",
            )
        return capture

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end. Raises VideoError when there is not one."""
        found = False
        for frame in captured_frames(self._open(), self.name):
            found = True
            yield frame
        if not found:
            raise VideoError(f"{self.name} opens but holds no frame", fix="record or convert it again")


def captured_frames(capture: cv2.VideoCapture, name: str) -> Iterator[Frame]:
    """Yield what an opened capture reads until it fails or ends, then release it."""
    try:
        index = 0
        while True:
            start = monotonic()
            more, image = capture.read()
            if not more:
                return
            now = monotonic()
            yield Frame(np.asarray(image, np.uint8), name, index, now, now - start)
            index += 1
    finally:
        capture.release()
