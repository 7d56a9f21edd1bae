"""All streams together: readers, the batcher, workers, sinks, and one watching thread."""

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import cv2

from edgessd.detector import Detector
from edgessd.errors import EdgessdError, InputError
from edgessd.sources import Source, open_address, parse_address
from edgessd.streams.batcher import Batcher, Lane, Ticket
from edgessd.streams.capacity import check_batch
from edgessd.streams.reader import PATIENCE, Reader
from edgessd.streams.result import Result
from edgessd.streams.retry import Patience
from edgessd.streams.sink_queue import QueuedSink
from edgessd.streams.status import State, Status

BATCH_DEADLINE = 0.005
DRAIN_SECONDS = 3.0
_TICK_SECONDS = 0.1
_REMIND_SECONDS = 10.0
_WORKER_HANG_SECONDS = 30.0
log = logging.getLogger(__name__)


class Streams:
    """Runs a detector over streams that come and go, inside a with-block; results go to the sinks.

    Leaving the block drains: what was read is detected and written, for DRAIN_SECONDS at most.
    """

    def __init__(
        self,
        detector: Detector,
        sinks: Sequence[QueuedSink] = (),
        *,
        workers: int = 1,
        batch: int = 1,
        batch_deadline: float = BATCH_DEADLINE,
        patience: Patience = PATIENCE,
    ) -> None:
        """workers: threads that detect, as the detector was opened for. batch: frames in one call of the engine.

        batch_deadline: seconds to wait for other streams' frames. Raises InputError for a batch the model refuses.
        """
        cv2.setNumThreads(1)  # the workers use the cores
        check_batch(detector, batch)
        self._detector = detector
        self._sinks = list(sinks)
        self._patience = patience
        self._batcher = Batcher(limit=batch, deadline=batch_deadline)
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._seen: dict[str, tuple[State, str | None, float]] = {}
        self._busy_since: list[float | None] = [None] * workers
        self._workers = [
            threading.Thread(target=self._work, args=(number,), name=f"detect {number}", daemon=True)
            for number in range(workers)
        ]
        for sink in self._sinks:
            sink.watch(self)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> "Streams":
        for thread in (*self._workers, self._watcher):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close(DRAIN_SECONDS)

    def add(
        self,
        name: str,
        source: str | Callable[[], Source],
        *,
        policy: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Begin to read a source, also while others run. source: as ``edgessd detect`` takes it, or what opens one.

        Raises InputError for a name in use or an address that is none; a camera that is away is no error.
        """
        if isinstance(source, str):
            address = parse_address(source)

            def connect() -> Source:
                return open_address(address)
        else:
            connect = source
        reader = Reader(name, connect, policy=policy, patience=patience or self._patience, ready=self._batcher.ready)
        lane = Lane(reader)
        with self._lock:
            if name in self._lanes:
                raise InputError(f"there is already a stream {name!r}", fix="remove it first, or choose another name")
            self._lanes[name] = lane
        self._batcher.add(lane)
        reader.start()

    def remove(self, name: str) -> None:
        """End a stream while the others run; what is in work is delivered. Raises InputError for an unknown name."""
        with self._lock:
            if name not in self._lanes:
                raise InputError(f"there is no stream {name!r}", fix=f"streams are {', '.join(self._lanes) or 'none'}")
            lane = self._lanes.pop(name)
            self._seen.pop(name, None)
        lane.reader.stop(timeout=1.0)
        self._batcher.remove(lane)
        log.info("stream %s removed", name, extra={"stream": name})

    def statuses(self) -> list[Status]:
        """Return how every stream is now."""
        with self._lock:
            lanes = list(self._lanes.values())
        return [lane.reader.status() for lane in lanes]

    @property
    def sinks(self) -> Sequence[QueuedSink]:
        """Return the sinks, for their counters."""
        return self._sinks

    @property
    def healthy(self) -> bool:
        """Return whether the workers make progress: what systemd's watchdog is told."""
        now = monotonic()
        alive = all(thread.is_alive() for thread in self._workers)
        return alive and not any(since and now - since > _WORKER_HANG_SECONDS for since in list(self._busy_since))

    def wait(self, until: threading.Event, timeout: float | None = None) -> bool:
        """Return True when every stream is over, False when ``until`` was set or the time is up.

        Raises what made a worker fail.
        """
        give_up = None if timeout is None else monotonic() + timeout
        while not until.wait(_TICK_SECONDS):
            if self._fault is not None:
                raise self._fault
            statuses = self.statuses()
            if statuses and all(status.over for status in statuses):
                return True
            if give_up is not None and monotonic() > give_up:
                break
        return False

    def close(self, seconds: float) -> None:
        """Stop reading, detect what was read, close the sinks, and leave behind what takes longer."""
        give_up = monotonic() + seconds
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.reader.stop()
        self._batcher.close()
        for worker in self._workers:
            worker.join(max(0.0, give_up - monotonic()))
        self._stop.set()
        self._watcher.join(1.0)
        self._report_states()
        for sink in self._sinks:
            sink.finish()
        for sink in self._sinks:
            sink.join(max(0.1, give_up - monotonic()))
        for lane in lanes:
            lane.reader.stop(timeout=max(0.0, min(0.5, give_up - monotonic())))

    def _work(self, number: int) -> None:
        try:
            while (tickets := self._batcher.take()) is not None:
                self._busy_since[number] = monotonic()
                self._detect(tickets)
                self._busy_since[number] = None
        except BaseException as error:  # raised again in wait()
            self._fault = error
            if not isinstance(error, EdgessdError):
                log.exception("a worker failed")

    def _detect(self, tickets: list[Ticket]) -> None:
        started_at = monotonic()
        images = [ticket.frame.image for ticket in tickets]
        if len(images) == 1:
            found = [self._detector.detect_timed(images[0])]
        else:
            found = self._detector.detect_batch_timed(images)
        finished_at = monotonic()
        for ticket, (detections, stages) in zip(tickets, found, strict=True):
            ticket.result = Result(ticket.frame, detections, stages, started_at, finished_at)
        for ticket in tickets:
            ticket.lane.deliver(self._to_sinks)

    def _to_sinks(self, result: Result) -> None:
        for sink in self._sinks:
            sink.put(result)

    def _watch(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            with self._lock:
                lanes = list(self._lanes.values())
            for lane in lanes:
                lane.reader.watch()
            self._report_states()

    def _report_states(self) -> None:
        """Tell log and sinks of every new state, and of those not live again and again."""
        now = monotonic()
        for status in self.statuses():
            state, reason, told_at = self._seen.get(status.name, (None, None, 0.0))
            changed = (status.state, status.reason) != (state, reason)
            away = status.state in (State.STALE, State.FAILED) and not status.over
            if not changed and not (away and now - told_at >= _REMIND_SECONDS):
                continue
            self._seen[status.name] = (status.state, status.reason, now)
            if changed:
                _log_state(status)
            for sink in self._sinks:
                sink.put(status)


def _log_state(status: Status) -> None:
    fine = status.state in (State.LIVE, State.CONNECTING, State.ENDED) and status.reason is None
    facts: dict[str, Any] = {"stream": status.name, "state": str(status.state), "reason": status.reason}
    age = f", last frame {status.last_frame_age:.1f} s ago" if status.last_frame_age and not fine else ""
    text = f": {status.text}" if status.text else ""
    log.log(
        logging.INFO if fine else logging.WARNING, "%s is %s%s%s", status.name, status.state, age, text, extra=facts
    )
