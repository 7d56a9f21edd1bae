"""Annotated videos: one of all that was seen, or segments of every stream."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError, VideoError
from edgessd.sinks.draw import draw_result
from edgessd.sinks.numbered_files import NumberedFiles
from edgessd.sinks.video_writer import OPENCV_CODECS, has_ffmpeg, open_writer
from edgessd.sources import Frame
from edgessd.sources.packets import count_frames
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink
from edgessd.streams.status import State, Status
from edgessd.util.files import Unfinished, abandoned, sink_folder, writable

VIDEO_SUFFIXES = tuple(OPENCV_CODECS)
_DEFAULT_FPS = 30.0
_SEGMENT_FPS = 15.0
_FINISH_SECONDS, _SEGMENT_FINISH_SECONDS = 60.0, 3.0
_REST_SECONDS = 5.0  # after a failure: a full disk must not start an encoder for every frame
# Fragments: what was written of a segment can be played whatever comes.
_FRAGMENTED = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")


class Video:
    """A video that grows beside its place and is put there when it is whole."""

    def __init__(
        self,
        path: Path,
        image: NDArray[np.uint8],
        *,
        fps: float,
        mark: str = "unfinished",
        encoder: str = "libx264",
        options: Sequence[str] = (),
    ) -> None:
        """image: one of its size. fps: where frames have no times of their own. Raises VideoError."""
        height, width = image.shape[:2]
        self.path = path
        self.size_wh = (width, height)
        self.began = time.monotonic()
        self._frames = 0
        self._step = 1 / fps
        self._offset = self._last = 0.0
        with _told(path):
            self._file = Unfinished(path, mark)
        try:
            with _told(path):
                self._writer = open_writer(
                    self._file.path, height=height, width=width, fps=fps, encoder=encoder, options=options
                )
        except VideoError:
            self._file.close()
            raise

    def __str__(self) -> str:
        return f"{self.path}: {self._writer.what}, {self._frames} frames, {self._last + self._step:.1f} s"

    @property
    def size_bytes(self) -> int:
        """Return how much was written by now."""
        return self._file.path.stat().st_size

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Append one frame. A time that goes back, as of the next file, goes on from here. Raises VideoError."""
        if not self._frames:
            self._offset = -seconds
        elif seconds + self._offset < self._last + 1e-3:
            self._offset = self._last + self._step - seconds
        self._last = seconds + self._offset
        self._frames += 1
        with _told(self.path):
            self._writer.write(image, self._last)

    def finish(self) -> None:
        """Put it in place. Raises VideoError, and leaves what was there, where frames are missing."""
        try:
            with _told(self.path):
                self._writer.close(_FINISH_SECONDS)
                if (found := count_frames(self._file.path)) < 0.99 * self._frames - 1:
                    raise VideoError(
                        f"{found} of {self._frames} frames arrived", fix="free space or choose another place"
                    )
                self._file.put_in_place()
        finally:
            self._file.close()

    def salvage(self) -> bool:
        """Put in place what can be played of it; return whether there is any."""
        with suppress(VideoError):
            self._writer.close(_SEGMENT_FINISH_SECONDS)
        try:
            playable = count_frames(self._file.path, most=1) > 0
            if playable:
                self._file.put_in_place()
            return playable
        finally:
            self._file.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Name the video in what goes wrong with it. Raises VideoError."""
    try:
        yield
    except VideoError as error:
        raise error.within(f"cannot write {path}") from error
    except OSError as error:
        raise VideoError(
            f"cannot write {path}: {error.strerror or error}", fix="free space or choose another place"
        ) from error


class VideoSink(Sink):
    """One annotated video, put in place when it is closed: after an interruption it holds what was seen.

    H.264 with every frame at its time where the program ffmpeg is at hand, else OpenCV's MPEG-4 at an even rate.
    """

    needs_image = True

    def __init__(self, path: Path, labels: tuple[str, ...], *, fps: float | None = None, live: bool = False) -> None:
        """fps: of the source, where frames have no times. live: a frame's time is when it was captured.

        Raises InputError for a place that cannot be written or a suffix without a codec.
        """
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise InputError(
                f"cannot write a video named {path.name}", fix=f"use one of {', '.join(VIDEO_SUFFIXES)}, or a folder"
            )
        self._path = writable(path)
        self._labels = labels
        self._fps = fps or _DEFAULT_FPS
        self._live = live
        self._video: Video | None = None

    def __str__(self) -> str:
        return str(self._video or f"{self._path}: nothing, there was no frame")

    def write(self, result: Result) -> None:
        """Draw and append one frame. Raises VideoError when frames change their size or nothing can be written."""
        frame = result.frame
        height, width = frame.image.shape[:2]
        if self._video is None:
            self._video = Video(self._path, frame.image, fps=self._fps)
        if (width, height) != self._video.size_wh:
            before = "{}x{}".format(*self._video.size_wh)
            raise VideoError(
                f"frames changed from {before} to {width}x{height}, a video has one size",
                fix="write to a folder instead",
            )
        seconds = frame.captured_at if self._live else frame.media_time
        self._video.write(draw_result(result, self._labels), frame.index / self._fps if seconds is None else seconds)

    def close(self) -> None:
        """Rename the video into place once it is whole. Raises VideoError where the disk refused a part of it."""
        if self._video is not None:
            self._video.finish()


class SegmentSink(Sink):
    """Videos of every stream, a new one by time, by size, or when frames change their size.

    Written as ``VideoSink`` does, with every frame at the time it was captured, in Matroska or fragmented MP4, and
    named as ``NumberedFiles`` says. A segment that a killed process left is put in place at the next start.
    """

    needs_image = True

    def __init__(
        self,
        folder: Path,
        labels: tuple[str, ...],
        *,
        suffix: str = ".mkv",
        encoder: str = "libx264",
        segment_seconds: float = 600,
        segment_bytes: int = 1 << 30,
        keep: int = 144,
    ) -> None:
        """suffix: .mkv or .mp4. encoder: ffmpeg's. keep: segments of a stream, 0 for all. Raises InputError."""
        sink_folder(folder).mkdir(exist_ok=True)
        self._labels = labels
        # OpenCV's MP4 cannot be played until it is finished.
        self._suffix = suffix if has_ffmpeg() else ".mkv"
        self._encoder = encoder
        self._segment_seconds = segment_seconds
        self._segment_bytes = segment_bytes
        for path in abandoned(folder, "segment"):
            _rescue(path)
        self._files = NumberedFiles(folder, self._suffix, keep)
        self._segments: dict[str, Video] = {}
        self._failed_at: dict[str, float] = {}

    def write(self, result: Result) -> None:
        name, frame = result.frame.source, result.frame
        segment = self._segments.get(name)
        if segment is not None and self._is_done(segment, frame.image):
            self._end(name)
            segment = None
        if segment is None and time.monotonic() - self._failed_at.get(name, -_REST_SECONDS) < _REST_SECONDS:
            raise VideoError(f"recording {name} failed and is tried again every {_REST_SECONDS:g} s", fix="see above")
        try:
            if segment is None:
                segment = self._segments[name] = self._begin(name, frame)
            segment.write(draw_result(result, self._labels), frame.captured_at)
        except VideoError:
            self._failed_at[name] = time.monotonic()
            self._end(name)
            raise

    def _is_done(self, segment: Video, image: NDArray[np.uint8]) -> bool:
        height, width = image.shape[:2]
        aged = time.monotonic() - segment.began >= self._segment_seconds
        return aged or segment.size_wh != (width, height) or segment.size_bytes >= self._segment_bytes

    def _begin(self, name: str, frame: Frame) -> Video:
        path = self._files.new(name, frame.wall_time)
        options = _FRAGMENTED if self._suffix == ".mp4" else ()
        return Video(path, frame.image, fps=_SEGMENT_FPS, mark="segment", encoder=self._encoder, options=options)

    def _end(self, name: str) -> None:
        segment = self._segments.pop(name, None)
        if segment is not None and segment.salvage():
            self._files.added(name, segment.path)

    def report(self, status: Status) -> None:
        """Finish the video of a stream that went away: it goes on in a new one."""
        if status.state is not State.LIVE:
            self._end(status.name)

    def close(self) -> None:
        for name in list(self._segments):
            self._end(name)


def _rescue(path: Path) -> None:
    """Put a segment that a killed process left in place where it can be played, else remove it."""
    target = path.with_name(re.sub(r"\.[0-9a-f]{8}\.segment", "", path.name[1:]))
    if count_frames(path, most=1) and not target.exists():
        path.replace(target)
    else:
        path.unlink(missing_ok=True)
