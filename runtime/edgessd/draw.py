"""Boxes and labels drawn into a copy of a frame."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.detections import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: NDArray[np.uint8], detections: Detections, labels: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return a copy of a BGR image with every box, its label and score; a colour a class."""
    canvas: NDArray[np.uint8] = image.copy()
    height, width = canvas.shape[:2]
    size = max(0.4, min(height, width) / 1200)
    thickness = max(1, round(size * 2.5))
    # The best last, so that it lies on top.
    for index in reversed(range(len(detections))):
        class_index = int(detections.classes[index])
        left, top, right, bottom = (round(float(edge)) for edge in detections.boxes_xyxy[index])
        colour = class_colour(class_index)
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, thickness)
        text = f"{labels[class_index]} {detections.scores[index]:.2f}"
        (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, size, 1)
        foot = top if top - text_height - baseline >= 0 else top + text_height + baseline
        left = max(0, min(left, width - text_width))
        cv2.rectangle(canvas, (left, foot - text_height - baseline), (left + text_width, foot), colour, cv2.FILLED)
        cv2.putText(canvas, text, (left, foot - baseline // 2 - 1), _FONT, size, (0, 0, 0), 1, cv2.LINE_AA)
    return canvas


def class_colour(class_index: int) -> tuple[int, int, int]:
    """Return a bright BGR colour; neighbours in the class list differ by the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + class_index * 0.381966) % 1, 0.75, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)
