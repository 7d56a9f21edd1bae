"""Where results go: an annotated video, a folder of annotated images, JSON lines, a window."""

import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any, Protocol, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.draw import draw
from edgessd.errors import InputError, VideoError
from edgessd.files import writable
from edgessd.pipeline import Result
from edgessd.sources import IMAGE_SUFFIXES

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
DEFAULT_FPS = 30.0


class Sink(Protocol):
    """Takes results in order; ``close`` finishes what was written, also after an error."""

    def write(self, result: Result) -> None:
        """Take one result."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class VideoSink:
    """An annotated video, put into place when it is closed: after an interruption it holds what was seen."""

    def __init__(self, path: Path, labels: tuple[str, ...], fps: float | None) -> None:
        """Raises InputError for a place that cannot be written or a suffix without a codec."""
        if path.suffix.lower() not in CODECS:
            raise InputError(f"cannot write a video named {path.name}: use one of {', '.join(CODECS)}, or a folder")
        self._path = writable(path)
        self._unfinished = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.unfinished{path.suffix}")
        self._labels = labels
        self._fps = fps or DEFAULT_FPS
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def write(self, result: Result) -> None:
        """Draw and append one frame. Raises VideoError when frames change their size or nothing can be written."""
        height, width = result.frame.image.shape[:2]
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
            self._size_wh = (width, height)
            self._writer = cv2.VideoWriter(str(self._unfinished), codec, self._fps, self._size_wh)
            if not self._writer.isOpened():
                raise VideoError(f"OpenCV cannot write a {width}x{height} video {self._path}: give a folder")
        if (width, height) != self._size_wh:
            raise VideoError(
                f"frames changed from {self._size_wh[0]}x{self._size_wh[1]} to {width}x{height}, "
                "a video has one size: write to a folder instead"
            )
        self._writer.write(draw(result.frame.image, result.detections, self._labels))

    def close(self) -> None:
        """Write the video's index and rename it into place."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            if self._unfinished.exists():
                self._unfinished.replace(self._path)
        self._unfinished.unlink(missing_ok=True)


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
        _write_image(target, annotated)

    def close(self) -> None:
        """Nothing is left open."""


def _write_image(path: Path, image: NDArray[np.uint8]) -> None:
    done, encoded = cv2.imencode(path.suffix, image)
    try:
        if not done:
            raise VideoError(f"OpenCV cannot write {path.suffix} images: use .png or .jpg")
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise VideoError(f"cannot write {path}: {error.strerror}; free space or choose another place") from error


class JsonlSink:
    """A JSON line a frame, written as it happens; ``-`` is standard output."""

    def __init__(self, target: str, labels: tuple[str, ...]) -> None:
        """Raises InputError for a place that cannot be written."""
        self._labels = labels
        self._own = target != "-"
        self._file: TextIO = (
            writable(Path(target)).open("w", encoding="utf-8", buffering=1) if self._own else sys.stdout
        )

    def write(self, result: Result) -> None:
        """Append one line."""
        self._file.write(json.dumps(result_as_json(result, self._labels)) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._own:
            self._file.close()
        else:
            self._file.flush()


def result_as_json(result: Result, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return source, frame, wall-clock time of capture (seconds since 1970), age and detections."""
    captured = time.time() - (time.monotonic() - result.frame.captured_at)
    return {
        "source": result.frame.source,
        "frame": result.frame.index,
        "time": round(captured, 3),
        "age_ms": round(result.age * 1e3, 2),
        "detections": result.detections.as_json(labels),
    }


class WindowClosed(Exception):
    """The person closed the window or pressed q."""


class WindowSink:
    """A window that shows the annotated frames; q or Esc ends the run."""

    TITLE = "edgessd"

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Raises InputError where there is no screen: OpenCV would end the process."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError("--show needs a screen and neither DISPLAY nor WAYLAND_DISPLAY is set: use --out instead")
        try:
            cv2.namedWindow(self.TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise InputError("this OpenCV was built without windows: install opencv-python, or use --out") from error
        self._labels = labels

    def write(self, result: Result) -> None:
        """Show one frame. Raises WindowClosed when the person has seen enough."""
        cv2.imshow(self.TITLE, draw(result.frame.image, result.detections, self._labels))
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            raise WindowClosed

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()
