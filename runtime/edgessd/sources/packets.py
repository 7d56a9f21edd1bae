"""How many frames a video file holds, told without decoding them."""

from pathlib import Path

import cv2

from edgessd.util.opencv_name import opencv_name


def count_frames(path: Path, most: float = float("inf")) -> int:
    """Return how many frames can be read from a video, at most ``most``; they are not decoded."""
    with opencv_name(path) as name:
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])  # packets as they are
        if not capture.isOpened():
            capture = cv2.VideoCapture(name)  # an OpenCV without FFmpeg
    count = 0
    while count < most and capture.grab():
        count += 1
    capture.release()
    return count
