"""Frames from disk: images, and video files through OpenCV."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.sources.capture import CapturedSource
from edgessd.sources.frame import Frame, Source
from edgessd.util.files import readable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 1 << 28


class Images(Source):
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


class VideoFile(CapturedSource):
    """A video file, every frame of it."""

    live = False

    def __init__(self, path: Path) -> None:
        """Raises InputError or VideoError for what is no video."""
        super().__init__(str(readable(path, "video or image")))
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if count > 0 else None
        self.close()  # a thousand files may be opened before the first is read

    def open_capture(self) -> cv2.VideoCapture:
        """Return the opened file. Raises VideoError."""
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
        for frame in super().frames():
            found = True
            yield frame
        if not found:
            raise VideoError(f"{self.name} opens but holds no frame", fix="record or convert it again")
