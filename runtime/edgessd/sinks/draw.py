"""Boxes and labels drawn into a copy of a frame."""

import colorsys
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.model.detections import Detections

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: NDArray[np.uint8], detections: Detections, labels: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return a copy of a BGR image with every box, its label and score; a colour a class."""
    canvas: NDArray[np.uint8] = image.copy()
    height, width = canvas.shape[:2]
    size = max(0.4, min(height, width) / 1200)
    thickness = max(2, round(size * 2.5))
    boxes_xyxy = [[round(edge) for edge in box] for box in detections.boxes_xyxy.tolist()]
    texts = [
        f"{labels[index]} {score:.2f}"
        for index, score in zip(detections.classes.tolist(), detections.scores.tolist(), strict=True)
    ]
    plates = _plates(boxes_xyxy, [cv2.getTextSize(text, _FONT, size, 1) for text in texts], height, width)
    # The best last, so that it lies on top.
    for index in reversed(range(len(detections))):
        colour = class_colour(int(detections.classes[index]))
        left, top, right, bottom = boxes_xyxy[index]
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, thickness)
        plate = plates[index]
        cv2.rectangle(canvas, (plate.left, plate.top), (plate.right, plate.bottom), colour, cv2.FILLED)
        foot = plate.bottom - plate.baseline // 2 - 1
        cv2.putText(canvas, texts[index], (plate.left, foot), _FONT, size, _readable_on(colour), 1, cv2.LINE_AA)
    return canvas


class Plate(NamedTuple):
    """Where a label stands, in pixels. baseline: how far letters reach below their line."""

    left: int
    top: int
    right: int
    bottom: int
    baseline: int


def _plates(
    boxes_xyxy: list[list[int]], text_sizes: Sequence[tuple[Sequence[int], int]], height: int, width: int
) -> list[Plate]:
    """Return every label's place: above its box, or below labels of better boxes; at the lower edge they overlap.

    text_sizes: ((width, height), baseline) each. height, width: of the frame.
    """
    plates: list[Plate] = []
    for (left, top, _, _), ((text_width, text_height), baseline) in zip(boxes_xyxy, text_sizes, strict=True):
        tall = text_height + baseline
        left = max(0, min(left, width - text_width))
        top = top - tall if top >= tall else top
        for other in sorted(plates, key=lambda plate: plate.top):
            beside = other.right <= left or left + text_width <= other.left
            if not beside and other.top < top + tall and top < other.bottom:
                top = other.bottom
        top = min(top, height - tall)
        plates.append(Plate(left, top, left + text_width, top + tall, baseline))
    return plates


def _readable_on(bgr: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black on a bright colour and white on a dark one, by its luma (BT.601)."""
    luma = 0.114 * bgr[0] + 0.587 * bgr[1] + 0.299 * bgr[2]
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


def class_colour(class_index: int) -> tuple[int, int, int]:
    """Return a bright BGR colour; neighbours in the class list differ by the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + class_index * 0.381966) % 1, 0.75, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)
