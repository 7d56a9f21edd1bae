"""Takes frames from many readers in turn: a full batch at once, a smaller one after the deadline."""

import threading
from collections import deque
from time import monotonic

from edgessd.streams.lane import Lane, Ticket

_POLL_SECONDS = 0.1


class Batcher:
    """Fair: who was served last stands at the end of the queue. Several workers may take at once."""

    def __init__(self, *, limit: int, deadline: float) -> None:
        """limit: frames in a batch. deadline: seconds to wait for more once there is a frame."""
        self.ready = threading.Condition()
        self._limit = limit
        self._deadline = deadline
        self._lanes: deque[Lane] = deque()
        self._closed = False

    def add(self, lane: Lane) -> None:
        """Take from this lane from now on."""
        with self.ready:
            self._lanes.append(lane)

    def remove(self, lane: Lane) -> None:
        """Take from this lane no more; what is in work is finished."""
        with self.ready:
            self._lanes.remove(lane)

    def close(self) -> None:
        """Let ``take`` return None once no frame waits."""
        with self.ready:
            self._closed = True
            self.ready.notify_all()

    def take(self) -> list[Ticket] | None:
        """Return 1 to ``limit`` frames, one a stream before a second of any; None when closed and empty."""
        with self.ready:
            while True:
                if self._waiting() == 0:
                    if self._closed:
                        return None
                    self.ready.wait(_POLL_SECONDS)
                    continue
                give_up = monotonic() + self._deadline
                while self._waiting() < min(self._limit, len(self._lanes)) and not self._closed:
                    left = give_up - monotonic()
                    if left <= 0:
                        break
                    self.ready.wait(left)
                if tickets := self._collect():  # empty when another worker was faster
                    return tickets

    def _waiting(self) -> int:
        return sum(lane.reader.waiting > 0 for lane in self._lanes)

    def _collect(self) -> list[Ticket]:
        tickets: list[Ticket] = []
        fruitless = 0
        while len(tickets) < self._limit and fruitless < len(self._lanes):
            lane = self._lanes[0]
            self._lanes.rotate(-1)
            ticket = lane.take()
            fruitless = fruitless + 1 if ticket is None else 0
            if ticket is not None:
                tickets.append(ticket)
        if any(lane.reader.waiting for lane in self._lanes):
            self.ready.notify_all()  # another worker may go on with the rest
        return tickets
