"""Which frames of a stream the detector sees: the cheap decision before the batcher."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.sources.frame import Skip
from edgessd.streams.motion_gate import MotionGate
from edgessd.streams.motion_regions import MotionRegions
from edgessd.util.outside_text import quoted

MOST_INTERVAL = 10
AUTO = "auto"
INTERVALS = (AUTO, *map(str, range(1, MOST_INTERVAL + 1)))


@dataclass
class Interval:
    """Detection runs in one of ``frames`` frames. Several streams may share one, and who holds it may change it."""

    frames: int = 1


class FrameSkipper:
    """Decides frame by frame, on the thread that reads the stream. ``skipped`` counts, by reason."""

    def __init__(
        self, interval: Interval, motion: MotionGate | None = None, regions: MotionRegions | None = None
    ) -> None:
        """motion: frames are detected in only where something moved. regions: parts that are detected in as well."""
        self.regions = regions
        self.skipped = dict.fromkeys(Skip, 0)
        self._interval = interval
        self._motion = motion
        self._since = MOST_INTERVAL  # frames since the last that was looked at, itself included
        self._still = False  # was that one

    def __call__(self, seconds: float, picture: Callable[[], NDArray[np.uint8]]) -> Skip | None:
        """Return why the next frame of the stream is skipped, None where it is detected in.

        seconds: its time. picture: makes its picture, (H, W, 3) uint8 BGR, which one of ``interval`` frames needs.
        """
        skip: Skip | None
        if self._since < self._interval.frames:
            self._since += 1
            skip = Skip.STILL if self._still else Skip.BETWEEN
        else:
            self._since = 1
            self._still = self._motion is not None and self._motion.still(picture(), seconds)
            skip = Skip.STILL if self._still else None
        if skip is not None:
            self.skipped[skip] += 1
        elif self._motion is not None:
            self._motion.detected(seconds)
        return skip


def interval_named(text: str | None) -> int | str | None:
    """Return the interval of a text, a number or "auto"; None stays None. Raises InputError."""
    if text is not None and text not in INTERVALS:
        cause = f"an interval is {AUTO} or a number from 1 to {MOST_INTERVAL}, got {quoted(text)}"
        raise InputError(cause, fix="correct it")
    return int(text) if text is not None and text != AUTO else text
