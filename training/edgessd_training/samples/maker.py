"""One training sample: read, augment, resize, match and encode. Runs in the loader's workers; needs no torch.

Sample ``record`` of ``epoch`` is the same whichever process or worker makes it: its randomness comes from
(seed, epoch, record) alone, so that a resumed run and a run on more processes see the same images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgessd.model.preprocess import to_input
from edgessd_training.augment import Labelled, distort, flip, flip_vertical, mosaic, random_crop, widen, zoom_out
from edgessd_training.data.records import Record
from edgessd_training.recipe import Augment
from edgessd_training.samples.matching import IGNORE, Priors, Targets, targets

LEAST_PIXELS = 1.0  # of the network's input: a thinner box has no size to learn
ReadImage = Callable[[Record], NDArray[np.uint8]]


class Draw(NamedTuple):
    """Which sample: its epoch, the record's place in the data set, and which of the input sizes."""

    epoch: int
    record: int
    size: int = 0


@dataclass(frozen=True)
class Grid:
    """One input size with its priors."""

    height: int
    width: int
    priors: Priors


@dataclass(frozen=True)
class SampleMaker:
    """All that turns a Draw into an image and its targets; ``grids`` has one entry per input size.

    plain_from: the epoch from which nothing is augmented.
    """

    records: Sequence[Record]
    read: ReadImage
    augment: Augment
    grids: tuple[Grid, ...]
    seed: int
    plain_from: int
    threshold: float
    ignore_difficult: bool

    def __call__(self, draw: Draw) -> tuple[NDArray[np.uint8], Targets]:
        """Return the image at the network's size and its targets. Raises DataError for an image not to be read."""
        labelled = self.labelled(draw)
        grid = self.grids[draw.size]
        sides = np.array([grid.width, grid.height] * 2, np.float32)
        boxes_xyxy = labelled.boxes_xyxy / sides
        return labelled.image, targets(boxes_xyxy, labelled.classes, grid.priors, threshold=self.threshold)

    def labelled(self, draw: Draw) -> Labelled:
        """Return the augmented image at the network's size with its boxes in that size's pixels."""
        grid = self.grids[draw.size]
        rng = np.random.default_rng([self.seed, draw.epoch, draw.record])
        labelled = self._read(draw.record)
        if draw.epoch < self.plain_from:
            if rng.random() < self.augment.mosaic:
                others = [self._read(int(index)) for index in rng.integers(0, len(self.records), 3)]
                labelled = mosaic([labelled, *others], rng, height=2 * grid.height, width=2 * grid.width)
            labelled = augmented(labelled, self.augment, rng)
        labelled = resized(labelled, grid.height, grid.width)
        return labelled if draw.epoch >= self.plain_from else mirrored(labelled, self.augment, rng)

    def _read(self, index: int) -> Labelled:
        record = self.records[index]
        ignore = record.crowd | record.difficult if self.ignore_difficult else record.crowd
        image = self.read(record)
        return Labelled(image, _boxes_in(image, record), np.where(ignore, IGNORE, record.classes))


def _boxes_in(image: NDArray[np.uint8], record: Record) -> NDArray[np.float32]:
    """Return a record's boxes, xyxy, in the pixels of its image, which may have been shrunk."""
    height, width = image.shape[:2]
    if (height, width) == (record.height, record.width):
        return record.boxes_xyxy
    return record.boxes_xyxy * np.array([width / record.width, height / record.height] * 2, np.float32)


def augmented(labelled: Labelled, settings: Augment, rng: np.random.Generator) -> Labelled:
    """Return the image after distortion, zoom-out and crop, in the order of the paper's code, then widened."""
    image, boxes_xyxy, classes = labelled
    if rng.random() < settings.distort:
        image = distort(image, rng, settings.distort_strength)
    labelled = Labelled(image, boxes_xyxy, classes)
    if rng.random() < settings.zoom_out:
        labelled = zoom_out(*labelled, rng, most=settings.zoom_out_most, fill_bgr=settings.fill_bgr)
    if rng.random() < settings.crop:
        labelled = random_crop(*labelled, rng)
    if settings.widen and rng.random() < settings.widen:  # recipes without it keep the samples of their seed
        labelled = widen(*labelled, rng, most=settings.widen_most, fill_bgr=settings.fill_bgr)
    return labelled


def mirrored(labelled: Labelled, settings: Augment, rng: np.random.Generator) -> Labelled:
    """Return the image mirrored or not; done last, where it is smallest."""
    if rng.random() < settings.flip:
        labelled = flip(*labelled)
    if rng.random() < settings.flip_vertical:
        labelled = flip_vertical(*labelled)
    return labelled


def resized(labelled: Labelled, height: int, width: int) -> Labelled:
    """Return the image at the network's size; boxes are cut at its edge and dropped where less than a pixel is left."""
    source_height, source_width = labelled.image.shape[:2]
    scale = np.array([width / source_width, height / source_height] * 2, np.float32)
    boxes_xyxy = (labelled.boxes_xyxy * scale).clip(0, np.array([width, height] * 2, np.float32)).astype(np.float32)
    kept = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= LEAST_PIXELS).all(axis=1)
    return Labelled(to_input(labelled.image, height, width), boxes_xyxy[kept], labelled.classes[kept])
