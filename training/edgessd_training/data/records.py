"""The one type in which every data set is read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """One labelled image; M may be 0.

    file_name: as the data set names it, the key of a detections file. path: where the image lies.
    height, width: pixels as annotated. boxes_xyxy: (M, 4) float32, pixels, continuous edges.
    classes: (M,) int64, index into the data set's labels. difficult: (M,) bool, VOC's flag: not scored.
    crowd: (M,) bool, COCO's flag: neither trained on nor scored.
    areas: (M,) float64, square pixels as annotated (COCO's are those of the outline); the boxes' own where None.
    image_id: COCO's, by whose order its metric takes equal scores; None where the order of the records is that order.
    """

    file_name: str
    path: Path
    height: int
    width: int
    boxes_xyxy: NDArray[np.float32]
    classes: NDArray[np.int64]
    difficult: NDArray[np.bool_]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.float64] | None = None
    image_id: int | None = None


@dataclass(frozen=True)
class DataSet:
    """All records of one split; ``source`` is the text it was read from, such as voc:ROOT@SPLIT."""

    source: str
    labels: tuple[str, ...]
    records: tuple[Record, ...]
