"""One interval for all streams that say "auto": the smallest at which they hold their rates."""

import logging
from dataclasses import dataclass
from math import ceil

from edgessd.streams.frame_skipper import MOST_INTERVAL, Interval

PERIOD_SECONDS = 2.0
_TOLERATED = 0.01  # share of the frames read that may be dropped
_FULL = 0.8  # share of the workers' time, from which a smaller interval is not tried
_FIRST_PATIENCE, _LONGEST_PATIENCE = 10.0, 640.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Load:
    """Counters since the start. read, dropped: frames of the live streams with "auto". busy: seconds of one worker."""

    read: int
    dropped: int
    busy: float


class AutoInterval:
    """Looks at what was dropped and how busy the workers were, and changes ``interval``, which the streams share.

    A smaller interval that turns out too small is tried again after twice the time.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.interval = Interval()
        self._before = Load(0, 0, 0.0)
        self._looked_at = self._changed_at = now
        self._patience = _FIRST_PATIENCE
        self._lowered = False

    def look(self, load: Load, now: float) -> None:
        """Adapt the interval. To be called often; looks every PERIOD_SECONDS. now: seconds of the monotonic clock."""
        passed = now - self._looked_at
        if passed < PERIOD_SECONDS:
            return
        read, dropped = load.read - self._before.read, load.dropped - self._before.dropped
        busy = (load.busy - self._before.busy) / passed
        self._before, self._looked_at = load, now
        frames = self.interval.frames
        if read and dropped > _TOLERATED * read:
            if self._lowered:
                self._patience = min(2 * self._patience, _LONGEST_PATIENCE)
            self._change(ceil(max(frames + 1, frames / max(1 - dropped / read, 0.1))), now, lowered=False)
        elif frames > 1 and busy * frames / (frames - 1) < _FULL and now - self._changed_at >= self._patience:
            self._change(frames - 1, now, lowered=True)

    def _change(self, frames: int, now: float, *, lowered: bool) -> None:
        if self.interval.frames == MOST_INTERVAL <= frames:
            return
        self.interval.frames = min(frames, MOST_INTERVAL)
        self._changed_at, self._lowered = now, lowered
        log.info("auto interval: detecting in 1 of %d frames", self.interval.frames)
        if self.interval.frames == MOST_INTERVAL:
            log.warning("the auto interval is at its largest, %d: this machine has too many cameras", MOST_INTERVAL)
