"""What a tracked stream has besides boxes, drawn into a frame: trails, zones and lines with their counts."""

import colorsys
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.tracking.lines import Line
from edgessd.tracking.regions import Point
from edgessd.tracking.watch import Tracks
from edgessd.tracking.zones import Zone

Colour = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
_ZONE, _LINE = (255, 200, 80), (80, 220, 255)  # BGR
_ZONE_OPACITY = 0.18


def draw_watched(canvas: NDArray[np.uint8], tracks: Tracks, colours: dict[int, Colour], size: float) -> None:
    """Draw into a BGR image what is told of tracks. colours: of the tracks. size: of letters, in OpenCV's measure."""
    for zone in tracks.zones:
        inside = sum(tracks.occupancy.get(zone.name, {}).values())
        _draw_zone(canvas, zone, f"{zone.name}: {inside}", size)
    for line in tracks.lines:
        crossed = tracks.crossings.get(line.name, {})
        ways = {way: sum(count for (each, _), count in crossed.items() if each == way) for way in ("in", "out")}
        _draw_line(canvas, line, f"{line.name}: {ways['in']} in, {ways['out']} out", size)
    thickness = max(1, round(size * 2.5))
    for track, trail in tracks.trails.items():
        path = np.rint([(x, y) for _, x, y in trail]).astype(np.int32)
        cv2.polylines(canvas, [path], False, colours[track], thickness, cv2.LINE_AA)
        cv2.circle(canvas, path[-1].tolist(), thickness + 1, colours[track], cv2.FILLED, cv2.LINE_AA)


def _draw_zone(canvas: NDArray[np.uint8], zone: Zone, text: str, size: float) -> None:
    corners = np.array([_pixel(point, canvas) for point in zone.polygon], np.int32)
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0) + 1
    part = canvas[top:bottom, left:right]
    filled = part.copy()
    cv2.fillPoly(filled, [corners - (left, top)], _ZONE)
    cv2.addWeighted(filled, _ZONE_OPACITY, part, 1 - _ZONE_OPACITY, 0, dst=part)
    cv2.polylines(canvas, [corners], True, _ZONE, max(1, round(size * 2)), cv2.LINE_AA)
    _write(canvas, text, corners[corners[:, 1].argmin()].tolist(), _ZONE, size)


def _draw_line(canvas: NDArray[np.uint8], line: Line, text: str, size: float) -> None:
    """Draw a line with an arrow that points to where "in" goes."""
    start, end = _pixel(line.start, canvas), _pixel(line.end, canvas)
    thickness = max(2, round(size * 2.5))
    cv2.line(canvas, start, end, _LINE, thickness, cv2.LINE_AA)
    length = math.dist(start, end) or 1.0
    along = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    middle = (start[0] + end[0]) // 2, (start[1] + end[1]) // 2
    reach = 40 * size
    tip = round(middle[0] - along[1] * reach), round(middle[1] + along[0] * reach)  # the right of the way
    cv2.arrowedLine(canvas, middle, tip, _LINE, thickness, cv2.LINE_AA, tipLength=0.4)
    _write(canvas, text, start, _LINE, size)


def _write(canvas: NDArray[np.uint8], text: str, at: tuple[int, int], colour: Colour, size: float) -> None:
    """Write a text on a ground of its colour, from a point to the right and below, inside the frame."""
    height, width = canvas.shape[:2]
    (wide, high), baseline = cv2.getTextSize(text, FONT, size, 1)
    left, top = max(0, min(at[0], width - wide)), max(0, min(at[1], height - high - baseline))
    cv2.rectangle(canvas, (left, top), (left + wide, top + high + baseline), colour, cv2.FILLED)
    cv2.putText(canvas, text, (left, top + high + baseline // 2), FONT, size, readable_on(colour), 1, cv2.LINE_AA)


def _pixel(point: Point, canvas: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = canvas.shape[:2]
    return min(round(point[0] * width), width - 1), min(round(point[1] * height), height - 1)


def readable_on(bgr: Colour) -> Colour:
    """Return black on a bright colour and white on a dark one, by its luma (BT.601)."""
    luma = 0.114 * bgr[0] + 0.587 * bgr[1] + 0.299 * bgr[2]
    return (0, 0, 0) if luma > 128 else (255, 255, 255)


def colour_of(number: int) -> Colour:
    """Return a bright BGR colour of a class or a track; neighbouring numbers differ by the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + number * 0.381966) % 1, 0.75, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)
