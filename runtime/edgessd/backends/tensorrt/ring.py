"""The ring: jobs from any thread, run on slots that take turns, answered in the order of their arrival."""

import threading
from collections import deque
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.errors import DeviceLost
from edgessd.backends.tensorrt.slot import Slot
from edgessd.errors import BackendError, EdgessdError

# How long a finished inference may wait for its pick-up while another job could come.
POLL_SECONDS = 1e-4
Outputs = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Job:
    """One inference. pixels: (B, H, W, 3) at the network's size, or one (H, W, 3) frame to resize on the device."""

    pixels: NDArray[np.uint8]
    result: "Future[Outputs]" = field(default_factory=Future)

    @property
    def count(self) -> int:
        """Return how many images there are."""
        return len(self.pixels) if self.pixels.ndim == 4 else 1


class Inbox:
    """The jobs that wait. Once it is shut every job is answered with the reason, none is left unanswered."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._shut: EdgessdError | None = None

    def put(self, job: Job) -> None:
        """Add a job. Raises the reason when the inbox is shut."""
        with self._lock:
            if self._shut:
                raise type(self._shut)(str(self._shut))
            self._jobs.put(job)

    def end(self) -> None:
        """Ask the worker to finish what is there and leave."""
        self._jobs.put(None)

    def get(self, *, seconds: float | None) -> Job | None:
        """Return the next job, None for the end. Raises Empty when none came in time; None waits for ever."""
        return self._jobs.get(timeout=seconds) if seconds != 0 else self._jobs.get_nowait()

    def shut(self, reason: EdgessdError) -> None:
        """Refuse all further jobs and fail those that wait."""
        with self._lock:
            self._shut = reason
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job:
                job.result.set_exception(type(reason)(str(reason)))


def run(slots: list[Slot], names: tuple[str, ...], inbox: Inbox, *, overlap: bool) -> None:
    """Run jobs until the inbox ends: fill a free slot while another computes, answer in the order of arrival.

    overlap: several threads call, so a job may come while another runs and is looked for meanwhile.
    Raises DeviceLost after failing the jobs in flight with it; any other failure concerns its own job alone.
    """
    free, running = deque(slots), deque[tuple[Slot, Job]]()
    open_for_jobs = True
    while open_for_jobs or running:
        if open_for_jobs and free:
            try:
                job = inbox.get(seconds=_patience(running, overlap=overlap))
            except Empty:
                pass
            else:
                if job is None:
                    open_for_jobs = False
                else:
                    _start(free, running, job)
                continue
            if overlap and running and not _finished(running):
                continue
        if running:
            slot, job = running.popleft()
            _answer(slot, job, names, running)
            free.appendleft(slot)  # a lone caller keeps to one slot, whose graph stays that of its batch size


def _patience(running: "deque[tuple[Slot, Job]]", *, overlap: bool) -> float | None:
    """Return how long to wait for a job: for ever when idle, else a moment, or not at all."""
    if not running:
        return None
    return POLL_SECONDS if overlap else 0


def _finished(running: "deque[tuple[Slot, Job]]") -> bool:
    try:
        return running[0][0].is_done()
    except BackendError:
        return True  # waiting for it raises the same and reaches its job


def _start(free: "deque[Slot]", running: "deque[tuple[Slot, Job]]", job: Job) -> None:
    slot = free.popleft()
    try:
        if job.pixels.ndim == 4:
            slot.submit(job.pixels)
        else:
            slot.submit_frame(job.pixels)
    except DeviceLost as error:
        _fail(job, error)
        _fail_all(running, error)
        raise
    # The bindings raise a zoo, and whatever they raise, the caller waits for an answer.
    except Exception as error:  # noqa: BLE001
        free.appendleft(slot)
        _fail(job, error)
    else:
        running.append((slot, job))


def _answer(slot: Slot, job: Job, names: tuple[str, ...], running: "deque[tuple[Slot, Job]]") -> None:
    try:
        slot.wait()
        outputs = slot.outputs(names, job.count)
    except DeviceLost as error:
        _fail(job, error)
        _fail_all(running, error)
        raise
    except Exception as error:  # noqa: BLE001 as above
        _fail(job, error)
    else:
        job.result.set_result(outputs)


def _fail(job: Job, error: Exception) -> None:
    """Answer a job with the error, without the traceback that would keep TensorRT's objects alive elsewhere."""
    if isinstance(error, EdgessdError):
        job.result.set_exception(copy(error))
    else:
        job.result.set_exception(BackendError(f"TensorRT failed: {error!r}", fix="run again with --debug"))


def _fail_all(running: "deque[tuple[Slot, Job]]", error: EdgessdError) -> None:
    while running:
        _fail(running.popleft()[1], error)
