"""The threads that detect: each takes frames, detects them, and delivers every stream's results in order."""

import logging
import threading
from collections.abc import Callable
from time import monotonic

import cv2

from edgessd.detector import Detector, StageTimes
from edgessd.errors import EdgessdError
from edgessd.model.detections import Detections
from edgessd.streams.batcher import Batcher
from edgessd.streams.lane import Ticket
from edgessd.streams.result import Result
from edgessd.util.exit import WORKER_PREFIX

_HANG_SECONDS = 30.0
log = logging.getLogger(__name__)


class Workers:
    """So many threads between a batcher and whoever takes results. ``fault`` is what made one of them fail."""

    def __init__(self, detector: Detector, batcher: Batcher, deliver: Callable[[Result], None], *, count: int) -> None:
        """deliver: called with each result, those of one stream one after the other."""
        cv2.setNumThreads(1)  # the workers use the cores; OpenCV's own pool would fight them for a resize of 0.2 ms
        self.count = count
        self.fault: BaseException | None = None
        self._detector = detector
        self._batcher = batcher
        self._deliver = deliver
        self._busy_since: list[float | None] = [None] * count
        self._busy_seconds = [0.0] * count
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"{WORKER_PREFIX}{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Begin to take frames."""
        for thread in self._threads:
            thread.start()

    def join(self, give_up: float) -> None:
        """Wait until the closed batcher is empty, at most to a time of the monotonic clock."""
        for thread in self._threads:
            thread.join(max(0.0, give_up - monotonic()))

    @property
    def busy_seconds(self) -> float:
        """Return how long a worker has detected since the start, on average."""
        return sum(self._busy_seconds) / self.count

    @property
    def healthy(self) -> bool:
        """Return whether all make progress, or wait for a server that is away: a restart would not bring it."""
        now = monotonic()
        alive = all(thread.is_alive() for thread in self._threads)
        if self._detector.waits_for_server:
            return alive
        return alive and not any(since and now - since > _HANG_SECONDS for since in list(self._busy_since))

    def _work(self, number: int) -> None:
        try:
            while (tickets := self._batcher.take()) is not None:
                self._busy_since[number] = monotonic()
                self._detect(tickets)
                self._busy_seconds[number] += monotonic() - (self._busy_since[number] or 0.0)
                self._busy_since[number] = None
                for ticket in tickets:
                    ticket.lane.deliver(self._deliver)
        except BaseException as error:  # raised again where results are read or waited for
            self.fault = error
            if not isinstance(error, EdgessdError):
                log.exception("a worker failed")

    def _detect(self, tickets: list[Ticket]) -> None:
        started_at = monotonic()
        found = self._found(tickets)
        finished_at = monotonic()
        for ticket, (detections, stages) in zip(tickets, found, strict=True):
            ticket.result = Result(ticket.frame, detections, stages, started_at, finished_at)

    def _found(self, tickets: list[Ticket]) -> list[tuple[Detections, StageTimes]]:
        if any(ticket.lane.tiles or ticket.frame.regions for ticket in tickets):
            return [self._found_in(ticket) for ticket in tickets]
        if len(tickets) == 1:  # which a GPU may resize
            return [self._detector.detect_timed(tickets[0].frame.image)]
        return self._detector.detect_batch_timed([ticket.frame.image for ticket in tickets])

    def _found_in(self, ticket: Ticket) -> tuple[Detections, StageTimes]:
        tiles, image = ticket.lane.tiles or ticket.frame.regions, ticket.frame.image
        return self._detector.detect_tiled_timed(image, tiles) if tiles else self._detector.detect_timed(image)
