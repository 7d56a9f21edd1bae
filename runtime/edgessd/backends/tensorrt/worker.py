"""The one thread that touches CUDA: it opens the driver and the engine, runs the ring, and frees all."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from edgessd.backends.cuda import open_driver
from edgessd.backends.cuda.driver import Driver
from edgessd.backends.tensorrt.engine import Engine, load_engine
from edgessd.backends.tensorrt.ring import Inbox, run
from edgessd.backends.tensorrt.slot import GraphUse, Slot, open_slots
from edgessd.errors import BackendError, EdgessdError
from edgessd.model import self_test
from edgessd.model.card import ModelCard

LOG = logging.getLogger("edgessd.tensorrt")
SLOTS = 2


@dataclass(frozen=True)
class Settings:
    """How an engine runs. overlap: several threads call, so a job may come while another runs."""

    overlap: bool
    graphs: bool = True
    slots: int = SLOTS


@dataclass(frozen=True)
class Opened:
    """What the worker reports once it is ready. largest: the most images at once; slots: of the ring."""

    name: str
    largest: int
    slots: int


def serve(path: Path, card: ModelCard, settings: Settings, inbox: Inbox, opened: "Future[Opened]") -> None:
    """Run the worker until its inbox ends; the thread's target. What goes wrong reaches the callers, never stderr."""
    reason: EdgessdError = BackendError("this detector is closed", fix="open a new one")
    try:
        with open_driver() as driver, open_ring(driver, path, card, settings) as (engine, slots):
            name = f"{engine.title} ({driver.device.name}, {driver.name})"
            for slot in slots:
                prove(slot, card, name)
            opened.set_result(Opened(name, engine.largest, len(slots)))
            run(slots, card.outputs, inbox, overlap=settings.overlap)
    except EdgessdError as error:
        LOG.debug("the worker ends", exc_info=True)
        # A new one: the traceback of the first keeps TensorRT's objects alive beyond this thread.
        reason = copy(error)
    # Bindings raise a zoo; a thread that died silently would leave its callers waiting for ever.
    except Exception as error:
        LOG.debug("the worker died", exc_info=True)
        reason = BackendError(f"the TensorRT worker failed: {error!r}", fix="run again with --debug")
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
