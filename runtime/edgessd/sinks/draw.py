"""Boxes and labels drawn into a copy of a frame."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.boxes import intersection
from edgessd.model.detections import Detections
from edgessd.model.preprocess import check_image
from edgessd.sinks.draw_tracks import FONT, colour_of, draw_watched, readable_on
from edgessd.streams.result import Result
from edgessd.tracking.watch import Tracks

_SMALLEST = 0.3  # of a letter that can still be read, in OpenCV's measure
_SMALL_SIDE = 48  # pixels: a thick line would fill a box of such a side


def draw(
    image: NDArray[np.uint8], detections: Detections, labels: tuple[str, ...], tracks: Tracks | None = None
) -> NDArray[np.uint8]:
    """Return a copy of a BGR image with every box, its label and score; a colour a class, or a track where tracked.

    All boxes are drawn before the labels. Small objects get small labels, the smallest without a score. Predicted
    boxes are thin. tracks: their trails are drawn too, and the zones and lines with their counts.
    """
    check_image(image)
    if len(detections) and detections.classes.max() >= len(labels):
        raise InputError(
            f"a detection has class {detections.classes.max()}, but there are only {len(labels)} labels",
            fix="give the labels of the model that found them: detector.card.labels",
        )
    canvas: NDArray[np.uint8] = image.copy()
    height, width = canvas.shape[:2]
    size = max(0.4, min(height, width) / 1200)
    boxes_xyxy = np.rint(detections.boxes_xyxy).astype(int)
    classes = detections.classes.tolist()
    ids = [-1] * len(classes) if detections.ids is None else detections.ids.tolist()
    colours = [colour_of(track if track > 0 else index) for track, index in zip(ids, classes, strict=True)]
    if tracks is not None:
        draw_watched(canvas, tracks, dict(zip(ids, colours, strict=True)), size)
    texts = [
        text_for(right - left, size, labels[index] if track <= 0 else f"{labels[index]} {track}", score)
        for (left, _, right, _), index, track, score in zip(
            boxes_xyxy.tolist(), classes, ids, detections.scores.tolist(), strict=True
        )
    ]
    # The best last, so that it lies on top.
    for (left, top, right, bottom), colour in reversed(list(zip(boxes_xyxy.tolist(), colours, strict=True))):
        small = detections.predicted or min(right - left, bottom - top) < _SMALL_SIDE
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), colour, 1 if small else max(2, round(size * 2.5)))
    for text, place, colour in zip(texts, label_places(boxes_xyxy, texts, height, width), colours, strict=True):
        left, top, right, bottom = place
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, cv2.FILLED)
        foot = bottom - text.baseline // 2 - 1
        cv2.putText(canvas, text.words, (left, foot), FONT, text.size, readable_on(colour), 1, cv2.LINE_AA)
    return canvas


def draw_result(result: Result, labels: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return a copy of a result's frame with all that is known of it."""
    return draw(result.frame.image, result.detections, labels, result.tracks)


class Text(NamedTuple):
    """A label in pixels. height: with the baseline, which is how far letters reach below their line."""

    words: str
    size: float
    width: int
    height: int
    baseline: int


def text_for(box_width: int, size: float, label: str, score: float) -> Text:
    """Return the largest text, up to a size, that is no wider than its box; at the smallest size the score goes."""
    words = f"{label} {score:.2f}"
    (width, _), _ = cv2.getTextSize(words, FONT, size, 1)
    if width > box_width:
        size = max(_SMALLEST, size * box_width / width)
        if size == _SMALLEST:
            words = label
    (width, height), baseline = cv2.getTextSize(words, FONT, size, 1)
    return Text(words, size, width, height + baseline, baseline)


def label_places(boxes_xyxy: NDArray[np.int64], texts: list[Text], height: int, width: int) -> NDArray[np.int64]:
    """Return every label's place, (N, 4) xyxy in pixels of a frame of (height, width), the best detection's first.

    It stands above its box, below it, inside its upper edge, or below other labels there: where it covers the least
    of labels and, weighed by their size, of other boxes.
    """
    areas = np.maximum((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1), 1)
    places = np.zeros((0, 4), int)
    for index, text in enumerate(texts):
        left, top, _, bottom = boxes_xyxy[index].tolist()
        left = max(0, min(left, width - text.width))
        tops = [top - text.height, bottom, top, _below(places, left, top - text.height, text)]
        tops = [min(max(each, 0), max(height - text.height, 0)) for each in tops]
        candidates = np.array([(left, each, left + text.width, each + text.height) for each in tops])
        others = np.arange(len(boxes_xyxy)) != index
        costs = (intersection(candidates, boxes_xyxy[others]) / areas[others]).sum(axis=1)
        costs += (intersection(candidates, places) > 0).sum(axis=1) * 10.0
        places = np.vstack([places, candidates[costs.argmin()]])
    return places


def _below(places: NDArray[np.int64], left: int, top: int, text: Text) -> int:
    """Return the next free line at or below ``top``."""
    for other_left, other_top, other_right, other_bottom in places[places[:, 1].argsort()].tolist():
        beside = other_right <= left or left + text.width <= other_left
        if not beside and other_top < top + text.height and top < other_bottom:
            top = other_bottom
    return top
