"""Results and states made up for the tests of sinks."""

import time

import numpy as np

from edgessd.detector import StageTimes
from edgessd.model.detections import Detections, no_detections
from edgessd.sources import Frame
from edgessd.streams.result import Result
from edgessd.streams.status import State, Status

LABELS = ("blue", "red")
ONE = Detections(np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.array([1]))


def result(
    index: int = 0, *, source: str = "door", found: bool = True, height: int = 48, width: int = 64, noise: bool = False
) -> Result:
    captured = time.monotonic()
    image = np.full((height, width, 3), index * 7 % 256, np.uint8)
    if noise:
        image = np.random.RandomState(index).randint(0, 256, image.shape).astype(np.uint8)
    detections = ONE if found else no_detections()
    return Result(
        Frame(image, source, index, captured, 0.001), detections, StageTimes(0.1, 0.2, 0.3), captured, captured
    )


def status(state: State, reason: str | None = None, name: str = "door") -> Status:
    return Status(name, state, reason, reason, 1.5, 0.0, 10, 2, 1, False)
