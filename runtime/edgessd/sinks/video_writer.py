"""One video file: H.264 by the program ffmpeg, every frame at its own time, or what OpenCV writes at an even rate."""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import VideoError
from edgessd.util.ffmpeg import frame_timing
from edgessd.util.opencv_name import opencv_name
from edgessd.util.outside_text import outside_text

OPENCV_CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
_TICKS = 10_000  # a second, of the frames' times


class VideoWriter(Protocol):
    """One open video. ``what``: what it writes, for people."""

    what: str

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Append one frame at a time that no earlier frame has. Raises VideoError."""
        ...

    def close(self, timeout: float) -> None:
        """Finish the file within so many seconds. Raises VideoError where it is not whole."""
        ...


def open_writer(
    path: Path, *, height: int, width: int, fps: float, encoder: str, options: Sequence[str] = ()
) -> VideoWriter:
    """Return the writer for a path on this machine. fps: OpenCV's, and how long the last frame is shown.

    options: ffmpeg's. Raises VideoError.
    """
    path = path.absolute()  # FFmpeg takes what stands before a colon for a protocol
    if path.suffix.lower() != ".avi" and has_ffmpeg() and (encoder != "libx264" or _has_libx264()):
        return FfmpegWriter(path, height=height, width=width, fps=fps, encoder=encoder, options=options)
    return OpenCvWriter(path, height=height, width=width, fps=fps)


def has_ffmpeg() -> bool:
    """Return whether the program ffmpeg is here."""
    return shutil.which("ffmpeg") is not None


@cache
def _has_libx264() -> bool:
    done = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=False)
    return " libx264 " in done.stdout


class FfmpegWriter:
    """An ffmpeg that encodes what comes through a pipe. When we are killed its input ends, and it finishes the file."""

    def __init__(
        self, path: Path, *, height: int, width: int, fps: float, encoder: str, options: Sequence[str] = ()
    ) -> None:
        self.what = "H.264" if encoder == "libx264" else encoder
        self._failure: VideoError | None = None
        command = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-y"]
        command += ["-analyzeduration", "0", "-fpsprobesize", "0", "-f", "matroska", "-i", "pipe:0", "-c:v", encoder]
        if encoder == "libx264":
            command += ["-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"]
        command += ["-pix_fmt", "yuv420p", "-g", "30"]  # a keyframe every 30 frames is a fragment's length
        command += [*frame_timing("passthrough"), "-enc_time_base", f"1:{_TICKS}", "-flush_packets", "1", *options]
        # A session of its own: Ctrl-C is ours, and it must finish what we still write.
        self._process = subprocess.Popen(
            [*command, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        self._send(_matroska_head(height + height % 2, width + width % 2, fps))

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        height, width = image.shape[:2]
        if height % 2 or width % 2:  # a colour belongs to two by two pixels
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        planes = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)  # half the bytes, and ffmpeg need not convert them
        self._send(_matroska_frame_head(planes.nbytes, round(seconds * _TICKS)))
        self._send(planes.data)

    def _send(self, content: "bytes | memoryview") -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
        except OSError as error:
            raise self._failed() from error

    def _failed(self) -> VideoError:
        if self._failure is not None:
            return self._failure
        assert self._process.stderr is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(3.0)
        self._process.kill()
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        complaint = outside_text(lines[0]) if lines else "it ended without a word"
        fix = "free space or choose another place" if "No space left" in complaint else None
        self._failure = VideoError(f"ffmpeg: {complaint}", fix=fix)
        return self._failure

    def close(self, timeout: float) -> None:
        """End its input and wait for the file's end. Raises VideoError where ffmpeg reports a failure."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        with suppress(OSError):  # it is gone already
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        try:
            if self._process.wait() != 0:
                raise self._failed()
        finally:
            self._process.stderr.close()


class OpenCvWriter:
    """MPEG-4 or, in .avi, motion JPEG by OpenCV at an even rate; in Matroska readable when we are killed."""

    def __init__(self, path: Path, *, height: int, width: int, fps: float) -> None:
        """Raises VideoError when OpenCV has no such writer."""
        codec = OPENCV_CODECS[path.suffix.lower()]
        fps = _mpeg4_rate(fps)
        self.what = f"{codec} at {fps:g} FPS"
        with opencv_name(path) as name:
            self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*codec), fps, (width, height))
        if not self._writer.isOpened():
            raise VideoError(f"OpenCV cannot write a {width}x{height} video", fix="install the program ffmpeg")

    def write(self, image: NDArray[np.uint8], seconds: float) -> None:
        """Append one frame; its time is its number's."""
        self._writer.write(image)

    def close(self, timeout: float) -> None:
        self._writer.release()


def _mpeg4_rate(fps: float) -> float:
    """Return the nearest rate that MPEG-4 can write: OpenCV makes it a decimal fraction, whose terms have 16 bits."""
    places = next((places for places in (3, 2, 1) if fps * 10**places < 0xFFFF), 0)
    return round(fps, places)


def _matroska_head(height: int, width: int, fps: float) -> bytes:
    """Return the start of a Matroska stream of raw I420 frames, which unlike raw video carries their times.

    The numbers are those of the elements in RFC 9559.
    """
    shape = _number("b0", width) + _number("ba", height) + _element("2eb524", b"I420")
    usual = _number("23e383", round(1e9 / fps))  # nanoseconds, of a frame without a next one
    track = usual + _number("d7", 1) + _number("73c5", 1) + _number("83", 1) + _element("86", b"V_UNCOMPRESSED")
    return (
        _element("1a45dfa3", _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2))
        + bytes.fromhex("1853806701ffffffffffffff")  # a segment without an end
        + _element("1549a966", _number("2ad7b1", 10**9 // _TICKS))
        + _element("1654ae6b", _element("ae", track + _element("e0", shape)))
    )


def _matroska_frame_head(image_bytes: int, ticks: int) -> bytes:
    """Return what stands before a frame's pixels: a cluster of one block."""
    block = b"\x81\x00\x00\x80"  # track 1, at the cluster's time, a keyframe
    start = _number("e7", ticks) + bytes.fromhex("a3") + _size(len(block) + image_bytes) + block
    return bytes.fromhex("1f43b675") + _size(len(start) + image_bytes) + start


def _element(name: str, content: bytes) -> bytes:
    return bytes.fromhex(name) + _size(len(content)) + content


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(8, "big"))


def _size(count: int) -> bytes:
    return (count | 1 << 56).to_bytes(8, "big")
