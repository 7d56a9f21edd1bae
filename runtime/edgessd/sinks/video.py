"""One annotated video of what was seen, through OpenCV."""

from pathlib import Path

import cv2

from edgessd.errors import InputError, VideoError
from edgessd.sinks.draw import draw
from edgessd.streams.result import Result
from edgessd.util.files import unfinished_beside, writable

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
DEFAULT_FPS = 30.0


class VideoSink:
    """An annotated video, put into place when it is closed: after an interruption it holds what was seen."""

    def __init__(self, path: Path, labels: tuple[str, ...], fps: float | None) -> None:
        """Raises InputError for a place that cannot be written or a suffix without a codec."""
        if path.suffix.lower() not in CODECS:
            raise InputError(
                f"cannot write a video named {path.name}", fix=f"use one of {', '.join(CODECS)}, or a folder"
            )
        self._path = writable(path)
        self._unfinished = unfinished_beside(path)
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
                raise VideoError(f"OpenCV cannot write a {width}x{height} video {self._path}", fix="give a folder")
        if (width, height) != self._size_wh:
            raise VideoError(
                f"frames changed from {self._size_wh[0]}x{self._size_wh[1]} to {width}x{height}, a video has one size",
                fix="write to a folder instead",
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
