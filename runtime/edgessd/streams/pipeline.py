"""The way of a frame: a reading thread, workers that each take a whole frame, results in order.

``every`` frame is processed, reading waits for the workers; or the ``latest`` one is, and what a newer frame
replaced is counted as dropped. A stage per thread would leave a core idle: the stages differ in length.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Full, Queue
from time import monotonic

from edgessd.detector import Detector
from edgessd.errors import InputError
from edgessd.sources import Frame, Source
from edgessd.streams.result import Result

POLICIES = ("every", "latest")
_POLL_SECONDS = 0.1


class Pipeline:
    """Runs one source through a detector; iterate over it once, inside a with-block."""

    def __init__(self, source: Source, detector: Detector, *, workers: int, policy: str) -> None:
        """Raises InputError for an unknown policy. ``dropped`` counts frames that a newer one replaced."""
        if policy not in POLICIES:
            raise InputError(f"unknown policy {policy!r}", fix=f"choose one of {', '.join(POLICIES)}")
        self.dropped = 0
        self._source = source
        self._detector = detector
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="detect")
        self._results: Queue[Future[Result] | None] = Queue(2 * workers)
        self._newest: Frame | None = None
        self._lock = threading.Lock()
        offer = self._offer_every if policy == "every" else self._offer_latest
        self._reader = threading.Thread(target=self._read, args=(offer,), name="read frames", daemon=True)

    def __enter__(self) -> "Pipeline":
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._reader.join(timeout=2)  # a camera that hangs in its driver must not hold us; the thread is a daemon

    def __iter__(self) -> Iterator[Result]:
        """Yield results in the order of their frames. Raises what reading or detecting raised."""
        while True:
            future = self._results.get()
            if future is None:
                return
            yield future.result()

    def _read(self, offer: Callable[[Frame], None]) -> None:
        try:
            for frame in self._source.frames():
                offer(frame)
                if self._stop.is_set():
                    break
            last: Future[Result] | None = None
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            last = Future()
            last.set_exception(error)
        self._put(last)
        if last is not None:
            self._put(None)

    def _put(self, item: Future[Result] | None) -> None:
        while not self._stop.is_set():
            with suppress(Full):
                self._results.put(item, timeout=_POLL_SECONDS)
                return

    def _offer_every(self, frame: Frame) -> None:
        if not self._stop.is_set():
            with suppress(RuntimeError):  # the pool was shut down between the two lines
                self._put(self._pool.submit(self._detect, frame))

    def _offer_latest(self, frame: Frame) -> None:
        with self._lock:
            replaced, self._newest = self._newest, frame
        if replaced is not None:  # the task that was submitted for it takes the newer frame
            self.dropped += 1
        elif self._results.full():  # whoever consumes the results is behind
            with self._lock:
                self._newest = None
            self.dropped += 1
        else:
            with suppress(RuntimeError):
                self._put(self._pool.submit(self._detect_newest))

    def _detect_newest(self) -> Result:
        with self._lock:
            frame, self._newest = self._newest, None
        assert frame is not None  # one task for every frame that was not replaced
        return self._detect(frame)

    def _detect(self, frame: Frame) -> Result:
        started_at = monotonic()
        detections, stages = self._detector.detect_timed(frame.image)
        return Result(frame, detections, stages, started_at, monotonic())
