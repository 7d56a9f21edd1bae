"""Frames are not believed until OpenCV is seen to convert them.

From OpenCV 4.13 on (FFmpeg 8), interlaced video decodes, and every read reports success, but the picture is never
written: it is black, or holds old memory. All frames then have the same bytes, which no working decoder gives.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from shutil import which

import cv2
import numpy as np

from edgessd.errors import VideoError
from edgessd.sources.address import Address
from edgessd.sources.fault import SourceFault
from edgessd.sources.frame import Frame, is_blank
from edgessd.sources.subprocess_source import open_ffmpeg

_PROBE_SECONDS = 30.0
_NETWORK_SECONDS = 6.0  # less than a reader's patience
_SILENCED = ("OPENCV_FFMPEG_LOGLEVEL", "OPENCV_LOG_LEVEL")
# The address comes by standard input: a command line may be read by every user.
_PROBE = """
import os, sys, cv2
name = os.fsdecode(sys.stdin.buffer.read())
if not name.isprintable():
    name = f"/proc/self/fd/{os.open(name, os.O_RDONLY)}"
capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
for _ in range(int(sys.argv[1])):
    capture.read()
"""


def when_converted(frames: Iterator[Frame], address: Address) -> Iterator[Frame]:
    """Yield the frames where OpenCV converts them, else those that the program ffmpeg decodes.

    Two frames of the same bytes make it look: the first of all, or in a file, which may be progressive at first, those
    where it happens first; blank pictures tell nothing. Raises VideoError for interlaced video without
    ffmpeg.
    """
    known = list(islice(frames, 2))
    if not known and address.kind == "path" and which("ffmpeg") is not None:  # AV1, which pip's OpenCV does not decode
        with suppress(SourceFault):  # ffmpeg does not decode it either: the caller's error names the codec
            yield from open_ffmpeg(address).frames()
        return
    at = 0
    suspicious = bool(known) and (len(known) == 1 or _same(known[0], known[1]))
    if not suspicious:
        yield from known
        if address.kind != "path":
            yield from frames
            return
        before = known[-1] if known else None
        for frame in frames:
            if is_blank(frame.image):
                yield frame
                continue
            if before is not None and _same(before, frame):
                known, at = [frame], frame.index
                break
            yield frame
            before = frame
        else:
            return
    if not conversion_fails(address.target, _changed(address), at + 2):
        yield from chain(known, frames)
        return
    frames.close()  # type: ignore[attr-defined]
    if which("ffmpeg") is None:
        raise VideoError(
            f"{address.name} is interlaced, which OpenCV {cv2.__version__} reports as read and does not convert",
            fix="apt install ffmpeg, and it is used; or convert it: ffmpeg -i IN -vf yadif OUT.mp4",
        )
    yield from islice(open_ffmpeg(address).frames(), at, None)


def _same(first: Frame, second: Frame) -> bool:
    """Return whether two frames have the same bytes; a few of them tell nearly always."""
    few = np.array_equal(first.image[::64, ::64], second.image[::64, ::64])
    return few and np.array_equal(first.image, second.image)


def _changed(address: Address) -> float | None:
    return Path(address.target).stat().st_mtime if address.kind == "path" else None


@lru_cache(maxsize=256)  # a camera with a still picture is asked once, not at every reconnection
def conversion_fails(target: str, changed: float | None, count: int = 2) -> bool:
    """Return whether FFmpeg's scaler refuses one of the first frames, as it tells a process that listens.

    changed: when the file was, None for a URL.
    """
    heard = {key: value for key, value in os.environ.items() if key not in _SILENCED}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE, str(count)],
            input=os.fsencode(target),
            capture_output=True,
            env=heard,
            timeout=_NETWORK_SECONDS if changed is None else _PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"swscaler" in done.stderr and b"nterlaced" in done.stderr
