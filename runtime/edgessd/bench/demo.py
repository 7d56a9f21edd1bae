"""The demo: a slow pan over three freely licensed photographs (see NOTICE), 1280x720, annotated."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.detector import Detector
from edgessd.errors import VideoError
from edgessd.sinks import VideoSink
from edgessd.sources import Source, read_image
from edgessd.sources.packets import count_frames
from edgessd.streams import Streams
from edgessd.streams.result import Result
from edgessd.util.files import replacing
from edgessd.util.opencv_name import opencv_name
from edgessd.util.progress import frame_progress

PHOTOS = ("astronaut", "cat", "motorbike")
WIDTH, HEIGHT, FPS, FRAMES = 1280, 720, 30, 360
SURE = 0.65  # score of what counts for the snapshot


def write_clip(path: Path, frames: int = FRAMES) -> None:
    """Write the clip of 2 or more frames as one whole file. Raises VideoError where OpenCV cannot."""
    scene = panorama()
    travel = scene.shape[1] - WIDTH
    with replacing(path) as unfinished, opencv_name(unfinished) as name:
        writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
        if not writer.isOpened():
            raise VideoError(f"OpenCV cannot write {path}", fix="choose another folder with --out")
        for index in range(frames):
            left = round(travel * index / (frames - 1))
            # A copy: OpenCV's writer copies whole strides and would read past the end of a cut-out.
            writer.write(np.ascontiguousarray(scene[:, left : left + WIDTH]))
        writer.release()
        if count_frames(unfinished) < frames:  # a full disk is not noticed before
            raise VideoError(f"OpenCV wrote no whole {path}", fix="free space or choose another folder with --out")


def panorama() -> NDArray[np.uint8]:
    """Return the photographs side by side, (720, W, 3) uint8 BGR."""
    strips = []
    for name in PHOTOS:
        photo = read_image(Path(__file__).parents[1] / "photos" / f"{name}.jpg")
        height, width = photo.shape[:2]
        strips.append(cv2.resize(photo, (round(width * HEIGHT / height), HEIGHT), interpolation=cv2.INTER_CUBIC))
    return np.hstack([np.asarray(strip, np.uint8) for strip in strips])


def annotate(source: Source, detector: Detector, path: Path, *, workers: int) -> tuple[Counter[str], Result]:
    """Write the annotated video; return how many frames show each label, and the frame with the most labels.

    Raises VideoError when the source has no frame.
    """
    labels = detector.card.labels
    seen: Counter[str] = Counter()
    best: Result | None = None
    sink = VideoSink(path, labels, fps=source.fps)
    try:
        with (
            Streams(detector, workers=workers) as streams,
            frame_progress("annotating", source.frame_count) as progress,
        ):
            streams.add(source.name, lambda: source, rename=False)
            for result in streams:
                sink.write(result)
                seen.update({labels[index] for index in result.detections.classes.tolist()})
                if best is None or _kinds(result) > _kinds(best):
                    best = result
                progress.count()
    finally:
        sink.close()
    if best is None:
        raise VideoError(f"{source.name} holds no frame", fix="remove it, and the demo makes it again")
    return seen, best


def _kinds(result: Result) -> int:
    return len(set(result.detections.classes[result.detections.scores >= SURE].tolist()))
