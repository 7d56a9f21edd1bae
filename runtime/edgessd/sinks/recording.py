"""Videos in segments that a crash does not spoil: a new one by time, by size, or when frames change their size."""

import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.sinks.draw import draw
from edgessd.sinks.kept_files import KeptFiles
from edgessd.sinks.snapshots import stamp
from edgessd.streams.result import Result
from edgessd.streams.status import State, Status
from edgessd.util.ffmpeg import frame_timing
from edgessd.util.files import writable

FALLBACK_FPS = 15.0
_FINISH_SECONDS = 3.0
_REST_SECONDS = 5.0  # after a failure: a full disk must not start an encoder for every frame


class Writer(Protocol):
    """One open video."""

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame. Raises VideoError."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


@dataclass
class _Segment:
    path: Path
    writer: Writer
    size_wh: tuple[int, int]
    began: float


class Recording:
    """Annotated videos, ``FOLDER/STREAM_20261123-101502-042.mkv``.

    With the program ffmpeg, H.264 in Matroska or fragmented MP4 with every frame at the time it was captured. Without
    it, OpenCV's MPEG-4 in Matroska at a constant rate. Either can be played up to its last seconds after kill -9.
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
        writable(folder / "video.mkv") if folder.is_dir() else writable(folder)
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._labels = labels
        self._has_ffmpeg = shutil.which("ffmpeg") is not None
        self._suffix = suffix if self._has_ffmpeg else ".mkv"
        self._encoder = encoder
        self._segment_seconds = segment_seconds
        self._segment_bytes = segment_bytes
        self._kept = KeptFiles(folder, self._suffix, keep)
        self._segments: dict[str, _Segment] = {}
        self._failed_at: dict[str, float] = {}

    def write(self, result: Result) -> None:
        """Draw and append one frame. Raises VideoError when it cannot be written."""
        name, image = result.frame.source, result.frame.image
        segment = self._segments.get(name)
        if segment is not None and self._is_done(segment, image):
            self._end(name)
            segment = None
        if segment is None and time.monotonic() - self._failed_at.get(name, -_REST_SECONDS) < _REST_SECONDS:
            raise VideoError(f"recording {name} failed and is tried again every {_REST_SECONDS:g} s", fix="see above")
        try:
            if segment is None:
                segment = self._segments[name] = self._begin(name, image)
            segment.writer.write(draw(image, result.detections, self._labels))
        except (VideoError, OSError):
            self._failed_at[name] = time.monotonic()
            self._end(name)
            raise

    def _is_done(self, segment: _Segment, image: NDArray[np.uint8]) -> bool:
        height, width = image.shape[:2]
        if segment.size_wh != (width, height) or time.monotonic() - segment.began >= self._segment_seconds:
            return True
        return segment.path.exists() and segment.path.stat().st_size >= self._segment_bytes

    def _begin(self, name: str, image: NDArray[np.uint8]) -> _Segment:
        height, width = image.shape[:2]
        path = self._folder / f"{name}_{stamp(time.time())}{self._suffix}"
        writer: Writer
        if self._has_ffmpeg:
            writer = FfmpegWriter(path, height=height, width=width, encoder=self._encoder)
        else:
            writer = OpenCvWriter(path, height=height, width=width)
        return _Segment(path, writer, (width, height), time.monotonic())

    def _end(self, name: str) -> None:
        segment = self._segments.pop(name, None)
        if segment is not None:
            segment.writer.close()
            self._kept.tidy(name)

    def report(self, status: Status) -> None:
        """Finish the video of a stream that went away: it goes on in a new one."""
        if status.state is not State.LIVE:
            self._end(status.name)

    def close(self) -> None:
        """Finish every video."""
        for name in list(self._segments):
            self._end(name)


class FfmpegWriter:
    """An ffmpeg that encodes what comes through a pipe. When we are killed its input ends, and it finishes the file."""

    def __init__(self, path: Path, *, height: int, width: int, encoder: str) -> None:
        self._path = path
        command = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
        # The rate is the clock's grain: two frames within one tick of it would become one.
        command += ["-use_wallclock_as_timestamps", "1", "-framerate", "1000", "-f", "rawvideo", "-pix_fmt", "bgr24"]
        command += ["-video_size", f"{width}x{height}", "-i", "pipe:0", "-c:v", encoder]
        if encoder == "libx264":
            command += ["-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"]
        # H.264 wants even sides; a keyframe every two seconds is a fragment's length.
        command += [
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt",
            "yuv420p",
            "-g",
            "30",
            *frame_timing("vfr"),
            "-flush_packets",
            "1",
        ]
        if path.suffix == ".mp4":
            command += ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"]
        # A session of its own: Ctrl-C is ours, and it must finish what we still write.
        self._process = subprocess.Popen(
            [*command, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame. Raises VideoError with ffmpeg's complaint."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(image).data)
        except OSError as error:
            complaint = self._complaint()
            fix = "; free space or choose another folder" if "No space left" in complaint else ""
            raise VideoError(f"ffmpeg cannot write {self._path}: {complaint}", fix=fix) from error

    def _complaint(self) -> str:
        assert self._process.stderr is not None
        self._process.wait(_FINISH_SECONDS)
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[0] if lines else "it ended without a word"

    def close(self) -> None:
        """End its input and wait for the file's end."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        with suppress(OSError):  # it is gone already
            self._process.stdin.close()
        try:
            self._process.wait(_FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stderr.close()


class OpenCvWriter:
    """MPEG-4 in Matroska by OpenCV: written as it comes, without an index when we are killed."""

    def __init__(self, path: Path, *, height: int, width: int) -> None:
        """Raises VideoError when OpenCV has no such writer."""
        self._writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FALLBACK_FPS, (width, height))
        if not self._writer.isOpened():
            raise VideoError(f"OpenCV cannot write a {width}x{height} video {path}", fix="install ffmpeg")

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append one frame."""
        self._writer.write(image)

    def close(self) -> None:
        """Write the index."""
        self._writer.release()
