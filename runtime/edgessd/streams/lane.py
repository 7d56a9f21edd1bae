"""A stream's way through the workers: its frames in work, its results in order, the stages after detection."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgessd.sources import Frame
from edgessd.streams.reader import Reader
from edgessd.streams.result import Result
from edgessd.streams.track_stage import TrackStage

# What stands after detection and tracking: called with every result of one stream, in the order of its frames.
Stage = Callable[[Result], Result]


@dataclass
class Lane:
    """A reader, and what was read of it. pending: its frames in work, in the order they were read.

    tracks: the first stage, where the stream is tracked.
    """

    reader: Reader
    tracks: TrackStage | None = None
    stages: Sequence[Stage] = ()
    pending: "deque[Ticket]" = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, to: Callable[[Result], None]) -> None:
        """Pass the results on that no earlier frame of the stream still stands before, through the stages."""
        with self.lock:
            while self.pending and (result := self.pending[0].result) is not None:
                result = self.tracks(result) if self.tracks else result
                for stage in self.stages:
                    result = stage(result)
                to(result)
                self.pending.popleft()  # afterwards: a stream without pending frames has delivered all

    def end_tracks(self, timeout: float = 0.0) -> None:
        """End the tracks of a stream that gives no frame, unless one is being delivered for longer than that (s)."""
        if self.tracks is not None and self.lock.acquire(timeout=timeout):
            try:
                self.tracks.finish()
            finally:
                self.lock.release()

    @property
    def idle(self) -> bool:
        """Return whether no frame of it waits or is in work."""
        return not self.reader.waiting and not self.pending

    @property
    def over(self) -> bool:
        """Return whether nothing more will be delivered; the caller holds the reader's ``ready``."""
        return self.reader.over and self.idle


@dataclass
class Ticket:
    """A frame in work, and its result once there is one."""

    lane: Lane
    frame: Frame
    result: Result | None = None
