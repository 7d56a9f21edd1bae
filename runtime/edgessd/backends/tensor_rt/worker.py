"""The one thread that touches CUDA: it opens the driver and the engine, runs jobs on a ring of slots, and frees all."""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd import self_test
from edgessd.backends.tensor_rt.engine import Engine, load_engine
from edgessd.backends.tensor_rt.slot import GraphUse, Slot, open_slots
from edgessd.card import ModelCard
from edgessd.cuda import Driver, open_driver
from edgessd.cuda.errors import DeviceLost
from edgessd.errors import BackendError, EdgessdError

LOG = logging.getLogger("edgessd.tensorrt")
SLOTS = 2
# How long a finished inference may wait for its pick-up while another job could come.
POLL_SECONDS = 1e-4
Outputs = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Settings:
    """How an engine runs. overlap: several threads call, so a job may come while another runs."""

    overlap: bool
    graphs: bool = True
    slots: int = SLOTS


@dataclass(frozen=True)
class Opened:
    """What the worker reports once it is ready. smallest, largest: the profile's batches."""

    name: str
    largest: int
    slots: int


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


def serve(path: Path, card: ModelCard, settings: Settings, inbox: Inbox, opened: "Future[Opened]") -> None:
    """Run the worker until its inbox ends; the thread's target. What goes wrong reaches the callers, never stderr."""
    reason: EdgessdError = BackendError("this detector is closed: open a new one")
    try:
        with open_driver() as driver, open_ring(driver, path, card, settings) as (engine, slots):
            name = f"{engine.title} ({driver.device.name}, {driver.name})"
            for slot in slots:
                prove(slot, card, name)
            opened.set_result(Opened(name, engine.largest, len(slots)))
            run(slots, card.outputs, inbox, settings)
    except EdgessdError as error:
        LOG.debug("the worker ends", exc_info=True)
        # A new one: the traceback of the first keeps TensorRT's objects alive beyond this thread.
        reason = type(error)(str(error))
    # Bindings raise a zoo; a thread that died silently would leave its callers waiting for ever.
    except Exception as error:
        LOG.debug("the worker died", exc_info=True)
        reason = BackendError(f"the TensorRT worker failed: {error!r}; run again with --debug")
    finally:
        inbox.shut(reason)
        if not opened.done():
            opened.set_exception(reason)


@contextmanager
def open_ring(driver: Driver, path: Path, card: ModelCard, settings: Settings) -> Iterator[tuple[Engine, list[Slot]]]:
    """Yield the engine and its slots; close the slots, then the engine, then its runtime."""
    engine = load_engine(path, card)
    slots: list[Slot] = []
    try:
        slots += open_slots(driver, engine, GraphUse(settings.graphs), settings.slots)
        yield engine, slots
    finally:
        for slot in slots:
            slot.close()
        slots.clear()
        engine.close()


def prove(slot: Slot, card: ModelCard, name: str) -> None:
    """Run the self-test on a slot, as plain calls and as the graph. Raises BackendError for wrong numbers.

    Some builds return zeros silently; a wrong graph alone is replaced by plain calls.
    """
    image = self_test.self_test_input(card)
    for _ in range(2):
        slot.submit(image)
        slot.wait()
        outputs = slot.outputs(card.outputs, 1)
        if slot.uses_graph and card.self_test:
            difference = self_test.worst_difference(card, outputs)
            if not difference <= float(card.self_test["tolerance"]):
                slot.forget_graph(f"the graph's self-test is off by {difference:.3g}")
                continue
        self_test.check(card, outputs, engine=name)


def run(slots: list[Slot], names: tuple[str, ...], inbox: Inbox, settings: Settings) -> None:
    """Run jobs until the inbox ends: fill a free slot while another computes, answer in the order of arrival.

    Raises DeviceLost after failing the jobs in flight with it; any other failure concerns its own job alone.
    """
    free, running = deque(slots), deque[tuple[Slot, Job]]()
    open_for_jobs = True
    while open_for_jobs or running:
        if open_for_jobs and free:
            try:
                job = inbox.get(seconds=_patience(running, settings))
            except Empty:
                pass
            else:
                if job is None:
                    open_for_jobs = False
                else:
                    _start(free, running, job)
                continue
            if settings.overlap and running and not _finished(running):
                continue
        if running:
            slot, job = running.popleft()
            _answer(slot, job, names, running)
            free.appendleft(slot)  # a lone caller keeps to one slot, whose graph stays that of its batch size


def _patience(running: "deque[tuple[Slot, Job]]", settings: Settings) -> float | None:
    """Return how long to wait for a job: for ever when idle, else a moment, or not at all."""
    if not running:
        return None
    return POLL_SECONDS if settings.overlap else 0


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
    except BackendError as error:
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
    except BackendError as error:
        _fail(job, error)
    else:
        job.result.set_result(outputs)


def _fail(job: Job, error: EdgessdError) -> None:
    job.result.set_exception(type(error)(str(error)))


def _fail_all(running: "deque[tuple[Slot, Job]]", error: EdgessdError) -> None:
    while running:
        _fail(running.popleft()[1], error)
