import threading
import time

import numpy as np
import pytest

from edgessd import Detector
from edgessd.detector import StageTimes
from edgessd.errors import InputError
from edgessd.model.detections import no_detections
from edgessd.sources import Frame
from edgessd.streams.batcher import Batcher
from edgessd.streams.capacity import check_batch, default_batch
from edgessd.streams.lane import Lane, Ticket
from edgessd.streams.result import Result

IMAGE = np.zeros((4, 6, 3), np.uint8)


class Filled:
    """A reader whose frames are all there."""

    skips = False

    def __init__(self, name: str, count: int) -> None:
        self.queue = [Frame(IMAGE, name, index, time.monotonic()) for index in range(count)]

    @property
    def waiting(self) -> int:
        return len(self.queue)

    def pop(self) -> Frame | None:
        return self.queue.pop(0) if self.queue else None

    def pop_skipped(self) -> Frame | None:
        return None


def lanes(*counts: int) -> list[Lane]:
    return [Lane(Filled(name, count)) for name, count in zip("abcdefgh", counts, strict=False)]  # type: ignore[arg-type]


def batcher(limit: int, *counts: int, deadline: float = 0.0) -> Batcher:
    made = Batcher(limit=limit, deadline=deadline)
    for lane in lanes(*counts):
        made.add(lane)
    return made


def names(tickets: list[Ticket] | None) -> str:
    return "".join(f"{ticket.frame.source}{ticket.frame.index}" for ticket in tickets or ())


def test_streams_take_turns() -> None:
    made = batcher(1, 3, 3, 1)
    assert [names(made.take()) for _ in range(7)] == ["a0", "b0", "c0", "a1", "b1", "a2", "b2"]


def test_one_frame_of_each_stream_before_a_second_of_any() -> None:
    made = batcher(4, 5, 1, 2)
    assert [names(made.take()) for _ in range(2)] == ["a0b0c0a1", "c1a2a3a4"]


def test_a_full_batch_does_not_wait() -> None:
    made = batcher(2, 1, 1, deadline=60)
    assert names(made.take()) == "a0b0"


def test_a_part_of_a_batch_waits_for_the_deadline_only() -> None:
    made = batcher(2, 1, 0, deadline=0.05)
    start = time.monotonic()
    assert names(made.take()) == "a0"
    assert time.monotonic() - start >= 0.05


def test_the_deadline_ends_when_another_frame_comes() -> None:
    made, late = batcher(2, 1, deadline=60), Filled("b", 0)
    made.add(Lane(late))  # type: ignore[arg-type]

    def arrive() -> None:
        with made.ready:
            late.queue.append(Frame(IMAGE, "b", 0, 0.0))
            made.ready.notify_all()

    threading.Timer(0.05, arrive).start()
    assert names(made.take()) == "a0b0"


def test_closed_gives_what_waits_and_then_nothing() -> None:
    made = batcher(2, 3, deadline=60)
    made.close()
    assert [names(made.take()) for _ in range(3)] == ["a0a1", "a2", ""]
    assert made.take() is None


def test_a_removed_stream_is_not_taken_from() -> None:
    made, both = batcher(1), lanes(3, 3)
    for lane in both:
        made.add(lane)
    made.remove(both[0])
    assert [names(made.take()) for _ in range(3)] == ["b0", "b1", "b2"]


def test_results_leave_in_the_order_of_their_frames() -> None:
    made = batcher(1, 3)
    tickets = [ticket for _ in range(3) for ticket in made.take() or ()]
    delivered: list[int] = []

    def finish(ticket: Ticket) -> None:
        ticket.result = Result(ticket.frame, no_detections(), StageTimes(0, 0, 0), 0, 0)
        ticket.lane.deliver(lambda result: delivered.append(result.frame.index))

    finish(tickets[2])
    finish(tickets[1])
    assert delivered == []
    finish(tickets[0])
    assert delivered == [0, 1, 2]


def test_a_batch_the_model_takes(tiny: object) -> None:
    with Detector(str(tiny), backend="onnxruntime") as detector:
        check_batch(detector, 4)
        assert default_batch(detector, 8) == 1  # a CPU gains nothing by batches

        class Refusing:
            def infer(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
                raise InputError("the profile ends at 2")

        real, detector.backend = detector.backend, Refusing()  # type: ignore[assignment]
        try:
            with pytest.raises(InputError, match=r"takes no batch of 4: the profile ends at 2"):
                check_batch(detector, 4)
        finally:
            detector.backend = real
