"""The contact sheet: augmented samples as the network gets them, with their boxes and the priors matched to them."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import cxcywh_to_xyxy, decode
from edgessd_training.augment import Labelled
from edgessd_training.samples.maker import Draw, Grid, SampleMaker
from edgessd_training.samples.matching import IGNORE, Targets

TILE = 300  # pixels of the longer side
COLUMNS = 6
IGNORED_BGR, PRIOR_BGR = (160, 160, 160), (255, 255, 255)


def contact_sheet(maker: SampleMaker, labels: Sequence[str], count: int, epoch: int = 0) -> NDArray[np.uint8]:
    """Return a picture of ``count`` samples, (H, W, 3) uint8 BGR; records are repeated when there are fewer.

    A repeated record is drawn as in the next epoch, so every tile differs.
    """
    tiles = []
    for number in range(count):
        repeat, index = divmod(number, len(maker.records))
        draw = Draw(epoch + repeat, index, number % len(maker.grids))
        tiles.append(tile(maker.labelled(draw), maker(draw)[1], maker.grids[draw.size], labels))
    return montage(tiles, min(COLUMNS, count))


def tile(labelled: Labelled, wanted: Targets, grid: Grid, labels: Sequence[str]) -> NDArray[np.uint8]:
    """Return one sample: matched priors thin and white, boxes in their class's colour, ignored ones grey."""
    scale = TILE / max(grid.height, grid.width)
    size = (round(grid.width * scale), round(grid.height * scale))
    picture = np.asarray(cv2.resize(labelled.image, size), np.uint8)
    pixels = np.array([grid.width, grid.height] * 2) * scale
    matched = np.flatnonzero(wanted.labels > 0)
    decoded_xyxy = wanted.offsets[matched]
    if grid.priors.coding != "ltrb":  # there the loss does the matching
        # The boxes are drawn as decoded from the targets: a fault in the encoding shows.
        priors_cxcywh = grid.priors.cxcywh[matched]
        decoded_xyxy = cxcywh_to_xyxy(decode(decoded_xyxy, priors_cxcywh, grid.priors.variances))
        for prior_xyxy in cxcywh_to_xyxy(priors_cxcywh) * pixels:
            _rectangle(picture, prior_xyxy, PRIOR_BGR, 1)
    for class_index, box_xyxy in zip(wanted.labels[matched] - 1, decoded_xyxy * pixels, strict=True):
        _rectangle(picture, box_xyxy, class_bgr(int(class_index)), 2)
    for class_index, box_xyxy in zip(labelled.classes, labelled.boxes_xyxy * scale, strict=True):
        if class_index == IGNORE:
            _rectangle(picture, box_xyxy, IGNORED_BGR, 2)
            continue
        corner = (int(box_xyxy[0]) + 2, int(box_xyxy[1]) + 11)
        cv2.putText(picture, labels[class_index], corner, cv2.FONT_HERSHEY_PLAIN, 0.8, class_bgr(int(class_index)), 1)
    return picture


def montage(tiles: Sequence[NDArray[np.uint8]], columns: int, gap: int = 4) -> NDArray[np.uint8]:
    """Return the tiles in rows, a gap between them; they may differ in size."""
    height, width = (max(tile.shape[axis] for tile in tiles) + gap for axis in (0, 1))
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows * height + gap, columns * width + gap, 3), 40, np.uint8)
    for number, picture in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = row * height + gap, column * width + gap
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def class_bgr(index: int) -> tuple[int, int, int]:
    """Return a colour that differs from its neighbours' (steps of the golden angle round the hue circle)."""
    hue = np.array([[[int(index * 0.618034 * 180) % 180, 220, 255]]], np.uint8)
    blue, green, red = (int(value) for value in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0])
    return blue, green, red


def _rectangle(
    picture: NDArray[np.uint8], box_xyxy: NDArray[np.floating], bgr: tuple[int, int, int], line: int
) -> None:
    left, top, right, bottom = (round(float(edge)) for edge in box_xyxy)
    cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), bgr, line)
