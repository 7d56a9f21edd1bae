"""Which frames of a stream the detector sees: the cheap decision before the batcher."""

from dataclasses import dataclass

from edgessd.errors import InputError
from edgessd.sources.frame import Frame, Skip
from edgessd.streams.motion_gate import MotionGate

MOST_INTERVAL = 10
AUTO = "auto"
INTERVALS = (AUTO, *map(str, range(1, MOST_INTERVAL + 1)))


@dataclass
class Interval:
    """Detection runs in one of ``frames`` frames. Several streams may share one, and who holds it may change it."""

    frames: int = 1


class FrameSkipper:
    """Decides frame by frame, on the thread that reads the stream. ``skipped`` counts, by reason."""

    def __init__(self, interval: Interval, motion: MotionGate | None = None) -> None:
        """motion: frames are detected in only where something moved."""
        self.skipped = dict.fromkeys(Skip, 0)
        self._interval = interval
        self._motion = motion
        self._since = MOST_INTERVAL  # frames since the last that was detected in, itself included

    def __call__(self, frame: Frame) -> Skip | None:
        """Return why the next frame of the stream is skipped, None where it is detected in."""
        seconds = frame.captured_at if frame.media_time is None else frame.media_time
        skip = self._decide(frame, seconds)
        if skip is not None:
            self._since += 1
            self.skipped[skip] += 1
            return skip
        self._since = 1
        if self._motion is not None:
            self._motion.detected(seconds)
        return None

    def _decide(self, frame: Frame, seconds: float) -> Skip | None:
        if self._motion is not None and self._motion.still(frame.image, seconds):
            return Skip.STILL
        return Skip.BETWEEN if self._since < self._interval.frames else None


def interval_named(text: str | None) -> int | str | None:
    """Return the interval of a text, a number or "auto"; None stays None. Raises InputError."""
    if text is not None and text not in INTERVALS:
        raise InputError(f"an interval is {AUTO} or a number from 1 to {MOST_INTERVAL}, got {text}", fix="correct it")
    return int(text) if text is not None and text != AUTO else text
