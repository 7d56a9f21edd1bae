"""The frames of a comparison: decoded once, for all; and a clip for those who have none."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.bench.measure import Synthetic
from edgessd.errors import VideoError
from edgessd.sources import open_source
from edgessd.util.files import replacing

FRAMES = 48  # 133 MB at 720p, kept once for all processes
CLIP_FRAMES, CLIP_FPS = 300, 30


def generated_clip(work: Path) -> Path:
    """Return a clip of moving blobs, 1280x720, made where it is not there yet. Raises VideoError."""
    path = work / "generated_1280x720.mp4"
    if not path.exists():
        with replacing(path) as unfinished:
            writer = cv2.VideoWriter(str(unfinished), cv2.VideoWriter.fourcc(*"mp4v"), CLIP_FPS, (1280, 720))
            if not writer.isOpened():
                raise VideoError("this OpenCV writes no MPEG-4: give a clip with --video")
            for frame in islice(Synthetic().frames(), CLIP_FRAMES):
                writer.write(frame.image)
            writer.release()
    return path


def decoded(video: Path, work: Path) -> tuple[Path, NDArray[np.uint8]]:
    """Return the file of the first frames, (N, H, W, 3) uint8 BGR, and the frames. Raises VideoError."""
    frames = np.stack([frame.image for frame in islice(open_source(str(video)).frames(), FRAMES)])
    path = work / "frames.npy"
    with replacing(path) as unfinished:
        np.save(unfinished, frames)
    return path, frames


def describe(video: Path, frames: NDArray[np.uint8]) -> str:
    """Return the clip's size and codec in a few words; its own name is nobody's business."""
    capture = cv2.VideoCapture(str(video))
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    capture.release()
    codec = "".join(chr(code >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ")
    known = {"h264": "H.264", "avc1": "H.264", "FMP4": "MPEG-4", "mp4v": "MPEG-4", "hevc": "H.265", "hev1": "H.265"}
    height, width = frames.shape[1:3]
    return f"{width}x{height} {known.get(codec, codec or 'frames')}"
