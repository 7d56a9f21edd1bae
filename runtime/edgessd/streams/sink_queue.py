"""A bounded queue and a thread before a sink: whatever the sink does, detection goes on."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import numpy as np

from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import EventTaker, Overview, OverviewReader, Sink
from edgessd.streams.status import Status
from edgessd.util.exit import SINK_PREFIX
from edgessd.util.seldom import Seldom

CAPACITY = 256
IMAGE_CAPACITY = 8  # a frame of 1080p is 6 MB
EVENT_CAPACITY = 4096
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
log = logging.getLogger(__name__)


class QueuedSink:
    """Hands results to a sink on a thread of its own; of a full queue the oldest result goes, and is counted.

    Events have a queue of their own, so that no result pushes one out.
    """

    def __init__(
        self, name: str, sink: Sink, *, streams: Collection[str] | None = None, capacity: int | None = None
    ) -> None:
        """streams: only theirs, all where None. capacity: results that may wait."""
        self.name = name
        self.dropped = 0
        self.failed = 0
        self._sink = sink
        self._teller = sink if isinstance(sink, EventTaker) else None
        self.takes_events = self._teller is not None
        self.needs_pictures = self._teller is not None and self._teller.needs_pictures
        self._streams = streams
        self._capacity = capacity or (IMAGE_CAPACITY if sink.needs_image else CAPACITY)
        self._results: deque[Result] = deque()
        self._events: deque[Event] = deque()
        # A state must not be lost behind results; the newest of each stream is enough.
        self._statuses: dict[str, Status] = {}
        self._changed = threading.Condition()
        self._finishing = False
        self._seldom = Seldom()
        self._thread = threading.Thread(target=self._run, name=f"{SINK_PREFIX}{name}", daemon=True)
        self._thread.start()

    def watch(self, overview: Overview) -> None:
        """Tell the sink whom to ask for counters, if it wants any."""
        if isinstance(self._sink, OverviewReader):
            self._sink.watch(overview)

    def put(self, item: Result | Status | Event) -> None:
        """Take a result, a state or an event without waiting."""
        name = _stream_of(item)
        if not self.takes(name):
            return
        if isinstance(item, Event) and not self.takes_events:
            return
        if isinstance(item, Result) and not self._sink.needs_image:
            item = replace(item, frame=replace(item.frame, image=_NO_IMAGE), recorded=None)
        with self._changed:
            if isinstance(item, Status):
                self._statuses[name] = item
            elif isinstance(item, Event):
                if len(self._events) >= EVENT_CAPACITY:
                    self._events.popleft()
                    self.dropped += 1
                self._events.append(item)
            else:
                if len(self._results) >= self._capacity:
                    self._results.popleft()
                    self.dropped += 1
                self._results.append(item)
            self._changed.notify()

    def takes(self, stream: str) -> bool:
        """Return whether the sink is for a stream."""
        return self._streams is None or stream in self._streams

    @property
    def needs_image(self) -> bool:
        """Return whether the sink wants the frames' pixels."""
        return self._sink.needs_image

    def finish(self) -> None:
        """Let the thread write what waits, close the sink and end."""
        with self._changed:
            self._finishing = True
            self._changed.notify()

    def join(self, timeout: float) -> None:
        """Wait for the end; a dead sink is left behind, with a word in the log."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            waiting = len(self._results) + len(self._events)
            log.warning("sink %s did not finish in time: %d results are lost, %s", self.name, waiting, self._losses)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            if isinstance(item, Status):
                self._attempt(partial(self._sink.report, item))
            elif isinstance(item, Event):
                assert self._teller is not None
                self._attempt(partial(self._teller.tell, item))
            else:
                self._attempt(partial(self._sink.write, item))
        self._attempt(self._sink.close)
        if self.failed > 1 or self.dropped:  # a single failure was told
            log.warning("sink %s: %s in all", self.name, self._losses)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - brokers and encoders raise a zoo; a sink's fault is not detection's
            self._complain(error)

    def _next(self) -> Result | Status | Event | None:
        with self._changed:
            while not (self._results or self._statuses or self._events or self._finishing):
                self._changed.wait()
            if self._statuses:
                return self._statuses.pop(next(iter(self._statuses)))
            if self._events:
                return self._events.popleft()
            return self._results.popleft() if self._results else None

    @property
    def _losses(self) -> str:
        return f"{self.failed} failures, {self.dropped} results dropped"

    def _complain(self, error: Exception) -> None:
        self.failed += 1
        if self._seldom():
            log.warning("sink %s: %s (%d failures)", self.name, error, self.failed, extra={"sink": self.name})


def _stream_of(item: Result | Status | Event) -> str:
    if isinstance(item, Event):
        return item.stream
    return item.name if isinstance(item, Status) else item.frame.source
