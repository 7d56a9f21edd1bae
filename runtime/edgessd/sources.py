"""Where frames come from: a video file, an image, a folder of images, or a camera."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

# Read by OpenCV when it loads: a broken file is our one-line error, not FFmpeg's page.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.files import readable

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 1 << 28


@dataclass(frozen=True)
class Frame:
    """One frame and when it came into being.

    image: (H, W, 3) uint8 BGR. index: its number in the source, from 0. captured_at: seconds of the
    monotonic clock at which the source delivered it. read_seconds: how long reading it took.
    """

    image: NDArray[np.uint8]
    source: str
    index: int
    captured_at: float
    read_seconds: float = 0.0


class Source(Protocol):
    """A named stream of frames. ``frame_count`` is the header's word, which may differ from the truth."""

    name: str
    live: bool
    fps: float | None
    frame_count: int | None

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends; closing the iterator frees the device or file."""
        ...


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
        raise VideoError(f"{path} is not an image that OpenCV reads, or is cut off: convert it to PNG or JPEG")
    return np.asarray(image, np.uint8)


class Capture:
    """A video file or a camera, through OpenCV."""

    def __init__(self, target: str | int, *, live: bool) -> None:
        self.name = str(target)
        self.live = live
        self._target = target
        capture = self._open()
        fps, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        self.fps: float | None = fps if 0 < fps <= 1000 else None
        self.frame_count: int | None = int(count) if count > 0 and not live else None

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self._target, int):
            capture = cv2.VideoCapture(self._target)
        else:
            # One decoding thread beside the workers: more of them only queue for the same cores.
            capture = cv2.VideoCapture(self._target, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            if not capture.isOpened():
                capture = cv2.VideoCapture(self._target)
        if not capture.isOpened():
            raise VideoError(_cannot_open(self._target))
        return capture

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end. Raises VideoError when there is not one."""
        capture = self._open()
        try:
            index = 0
            while True:
                start = monotonic()
                more, image = capture.read()
                if not more:
                    break
                now = monotonic()
                yield Frame(np.asarray(image, np.uint8), self.name, index, now, now - start)
                index += 1
            if index == 0:
                raise VideoError(f"{self.name} opens but holds no frame: record or convert it again")
        finally:
            capture.release()


def _cannot_open(target: str | int) -> str:
    if isinstance(target, int):
        return f"cannot open camera {target}: check that /dev/video{target} exists and that no other program uses it"
    return f"{target} is not a video that OpenCV can read, or is cut off: convert it with ffmpeg, or copy it again"


def open_source(text: str) -> Source:
    """Return the source that a path or a camera's index names. Raises VideoError or InputError."""
    if text.isdecimal():
        return Capture(int(text), live=True)
    path = Path(text)
    if path.is_dir():
        paths = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise VideoError(f"the folder {path} holds no image ({', '.join(IMAGE_SUFFIXES)}): give another folder")
        return Images(paths, text)
    readable(path, "video or image")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Images([path], text)
    return Capture(text, live=False)
