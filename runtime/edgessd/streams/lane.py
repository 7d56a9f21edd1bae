"""A stream's way through the workers: its frames in work, its results in order, the stages after detection."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, sleep

from edgessd.detector import StageTimes
from edgessd.model.detections import no_detections
from edgessd.model.tiles import Tiles
from edgessd.sources import Frame
from edgessd.streams.reader import Reader
from edgessd.streams.record_stream import RecordStream
from edgessd.streams.result import Result
from edgessd.streams.track_stage import TrackStage

# What stands after detection and tracking: called with every result of one stream, in the order of its frames.
Stage = Callable[[Result], Result]

_POLL_SECONDS = 0.01


@dataclass
class Lane:
    """A reader, and what was read of it. pending: its frames in work, in the order they were read.

    tracks: the first stage, where the stream is tracked. auto: whether its interval adapts.
    tiles: parts of its frames that are detected in as well. record: where its pictures come from, where not from its
    frames.
    """

    reader: Reader
    tracks: TrackStage | None = None
    stages: Sequence[Stage] = ()
    auto: bool = False
    tiles: Tiles | None = None
    record: RecordStream | None = None
    pending: "deque[Ticket]" = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> "Ticket | None":
        """Return the next frame to detect in, None where none waits; the caller holds the reader's ``ready``."""
        self._take_skipped()
        frame = self.reader.pop()
        if frame is None:
            return None
        ticket = Ticket(self, frame)
        self.pending.append(ticket)
        self._take_skipped()
        return ticket

    def pass_skipped(self, to: Callable[[Result], None]) -> None:
        """Deliver skipped frames that no longer wait behind a frame in detection."""
        with self.reader.ready:
            self._take_skipped()
        self.deliver(to)

    def _take_skipped(self) -> None:
        while (frame := self.reader.pop_skipped()) is not None:
            self.pending.append(Ticket(self, frame))

    def deliver(self, to: Callable[[Result], None]) -> None:
        """Pass the results on that no earlier frame of the stream still stands before, through the stages."""
        with self.lock:
            while self.pending and (result := _result(self.pending[0])) is not None:
                result = replace(result, recorded=self.record.picture()) if self.record else result
                result = self.tracks(result) if self.tracks else result
                for stage in self.stages:
                    result = stage(result)
                to(result)
                self.pending.popleft()  # afterwards: a stream without pending frames has delivered all
        if self.reader.skips:
            with self.reader.ready:
                self.reader.ready.notify_all()  # it may wait until fewer are in work

    def wait_until_idle(self, timeout: float) -> None:
        """Wait until what was read is delivered, for so many seconds at most."""
        give_up = monotonic() + timeout
        while self.pending and monotonic() < give_up:
            sleep(_POLL_SECONDS)

    def end_tracks(self, timeout: float = 0.0) -> None:
        """End the tracks of a stream that gives no frame, unless one is being delivered for longer than that (s)."""
        if self.tracks is not None and self.lock.acquire(timeout=timeout):
            try:
                self.tracks.finish()
            finally:
                self.lock.release()

    @property
    def readers(self) -> list[Reader]:
        """Return its reader, and that of its recorded pictures."""
        return [self.reader, *([self.record.reader] if self.record else [])]

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


def _result(ticket: Ticket) -> Result | None:
    """Return a ticket's result, None while it is in work; a skipped frame has one as soon as it is its turn."""
    if ticket.frame.skip is None:
        return ticket.result
    now = monotonic()
    return Result(ticket.frame, no_detections(), StageTimes(0.0, 0.0, 0.0), now, now)
