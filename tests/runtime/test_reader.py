import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from servers.cameras import eventually

from edgessd.errors import InputError
from edgessd.sources import Frame, VideoFile
from edgessd.sources.fault import Reason, SourceFault
from edgessd.streams import Reader, Retry, State
from edgessd.streams.retry import Reconnection
from edgessd.util.exit import READER_PREFIX

QUICK = Retry(stale_after=0.3, hang_after=0.4, first_retry=0.01, longest_retry=0.05, lasting_retry=0.1)
IMAGE = np.zeros((4, 6, 3), np.uint8)


class Scripted:
    """A source that does what each entry says: a number of frames to give, or an error to raise."""

    name = "scripted"
    fps = None
    frame_count = None

    def __init__(self, script: list[int | Exception], *, live: bool = True) -> None:
        self.script, self.live = script, live

    def frames(self) -> Iterator[Frame]:
        step = self.script.pop(0) if self.script else SourceFault(Reason.REFUSED, "scripted refuses")
        if isinstance(step, Exception):
            raise step
        for index in range(step):
            yield Frame(IMAGE, self.name, index, time.monotonic())


def threads_of(reader: Reader) -> int:
    """Return how many threads read for a reader."""
    return sum(thread.name == f"{READER_PREFIX}{reader.name}" for thread in threading.enumerate())


class Hanging:
    """A source whose read hangs until it is interrupted or released."""

    name = "hanging"
    fps = None
    frame_count = None
    live = True

    def __init__(self) -> None:
        self.released = threading.Event()

    def frames(self) -> Iterator[Frame]:
        yield Frame(IMAGE, self.name, 0, time.monotonic())
        self.released.wait(30)


class SlowPipe(Hanging):
    """Standard input whose writer takes its time."""

    live = False

    def frames(self) -> Iterator[Frame]:
        yield from super().frames()
        yield Frame(IMAGE, self.name, 1, time.monotonic())


class Interruptible(Hanging):
    def interrupt(self) -> None:
        self.released.set()


def read(reader: Reader) -> Iterator[Frame]:
    """Yield the frames of a started reader until it is over."""
    while not reader.status().over:
        with reader.ready:
            if (frame := reader.pop()) is None:
                reader.ready.wait(0.1)
                frame = reader.pop()
        if frame is not None:
            yield frame


def popped(reader: Reader) -> Frame | None:
    with reader.ready:
        return reader.pop()


def test_every_frame_of_a_file_once_and_then_the_end() -> None:
    reader = Reader("x", lambda: Scripted([50], live=False))
    reader.start()
    assert [frame.index for frame in read(reader)] == list(range(50))
    status = reader.status()
    assert (status.state, status.over, status.frames, status.dropped) == (State.ENDED, True, 50, 0)


def test_latest_keeps_the_newest_and_counts_the_rest() -> None:
    script: list[int | Exception] = [50, SourceFault(Reason.AUTHENTICATION, "no")]
    reader = Reader("x", lambda: Scripted(script))
    assert reader.status().state is State.CONNECTING
    reader.start()
    assert eventually(lambda: reader.status().state is State.FAILED, 5)
    frame = popped(reader)
    assert frame is not None
    assert (frame.index, frame.source) == (49, "x")
    assert popped(reader) is None
    assert reader.status().dropped == 49
    reader.stop(1)


def test_every_waits_for_who_takes_the_frames() -> None:
    reader = Reader("slow taker", lambda: Scripted([50]), policy="every")
    reader.start()
    time.sleep(0.1)
    assert reader.status().frames <= 4
    reader.stop(1)
    assert threads_of(reader) == 0


def test_a_cut_connection_is_made_again_and_frames_go_on_counting() -> None:
    script: list[int | Exception] = [3, 0, SourceFault(Reason.REFUSED, "no"), 2]
    reader = Reader("x", lambda: Scripted(script), policy="every", retry=QUICK)
    reader.start()
    frames = read(reader)
    assert [next(frames).index for _ in range(5)] == [0, 1, 2, 3, 4]
    assert reader.status().reconnects == 1
    reader.stop(1)


def test_stale_says_how_old_and_why() -> None:
    script: list[int | Exception] = [1]
    reader = Reader("x", lambda: Scripted(script), retry=QUICK)
    reader.start()
    assert eventually(lambda: reader.status().state is State.STALE, 5)
    status = reader.status()
    assert status.last_frame_age is not None
    assert status.last_frame_age > QUICK.stale_after
    assert status.reason == "refused"
    assert status.frames == 1
    reader.stop(1)


def test_a_wrong_password_is_named_and_not_tried_again_soon() -> None:
    calls: list[float] = []

    def connect() -> Scripted:
        calls.append(time.monotonic())
        raise SourceFault(Reason.AUTHENTICATION, "wrong password")

    retry = Retry(first_retry=0.001, longest_retry=0.001, lasting_retry=3600)
    reader = Reader("x", connect, retry=retry)
    reader.start()
    assert eventually(lambda: reader.status().state is State.FAILED, 5)
    time.sleep(0.05)
    status = reader.status()
    assert (status.reason, status.over, len(calls)) == ("authentication", False, 1)
    reader.stop(1)


def test_a_file_that_is_not_there_is_over(tmp_path: Path) -> None:
    reader = Reader("x", lambda: VideoFile(tmp_path / "none.mp4"))
    reader.start()
    assert eventually(lambda: reader.status().over, 5)
    assert (reader.status().state, reader.status().reason) == (State.FAILED, "unusable")


def test_an_unexpected_error_is_one_streams_fault() -> None:
    script: list[int | Exception] = [ZeroDivisionError("a codec's mistake"), 1]
    reader = Reader("x", lambda: Scripted(script), policy="every", retry=QUICK)
    reader.start()
    assert eventually(lambda: reader.status().frames == 1, 5)
    reader.stop(1)


def test_back_off_doubles_with_jitter_to_its_bound() -> None:
    retry = Retry(first_retry=0.1, longest_retry=1.0)
    for attempt, longest in ((0, 0.1), (1, 0.2), (3, 0.8), (4, 1.0), (10_000, 1.0)):
        waits = [retry.pause(attempt) for _ in range(200)]
        assert longest / 2 <= min(waits)
        assert max(waits) <= longest
        assert len(set(waits)) > 100


@pytest.mark.parametrize(("lived", "least"), [(0.0, 0.4), (0.9, 0.4), (1.0, 0.05)])
def test_the_back_off_begins_anew_after_a_connection_that_gave_frames_for_long(lived: float, least: float) -> None:
    reconnection = Reconnection(Retry(first_retry=0.1, longest_retry=1.0))
    for _ in range(3):
        reconnection.pause(None, lived=0.0)
    assert least <= reconnection.pause(None, lived=lived) <= 2 * least


def test_times_that_cannot_be() -> None:
    with pytest.raises(InputError, match="stale_after"):
        Retry(stale_after=0)
    with pytest.raises(InputError, match="every"):
        Reader("x", lambda: Scripted([]), policy="some")


def test_a_hanging_read_is_interrupted() -> None:
    sources: list[Interruptible] = []

    def connect() -> Interruptible:
        sources.append(Interruptible())
        return sources[-1]

    reader = Reader("interrupted", connect, retry=QUICK)
    reader.start()

    def watched() -> bool:
        reader.watch()
        return reader.status().reconnects >= 2

    assert eventually(watched, 10)
    assert threads_of(reader) == 1
    reader.stop(1)


def test_a_read_that_cannot_be_interrupted_is_left_behind_at_most_three_times() -> None:
    sources: list[Hanging] = []

    def connect() -> Hanging:
        sources.append(Hanging())
        return sources[-1]

    reader = Reader("left behind", connect, retry=QUICK)
    reader.start()

    def watched() -> bool:
        reader.watch()
        return len(sources) >= 4

    assert eventually(watched, 20)
    give_up = time.monotonic() + 2
    while time.monotonic() < give_up:
        reader.watch()
        time.sleep(0.05)
    assert len(sources) == 4
    assert reader.status().state is State.STALE
    for source in sources:
        source.released.set()
    assert eventually(lambda: threads_of(reader) <= 1, 5)
    reader.stop(1)


def test_a_fifo_without_a_writer_is_refused(tmp_path: Path) -> None:
    """It has no size; OpenCV would wait in open(2), where nothing reaches it."""
    fifo = tmp_path / "fifo.avi"
    os.mkfifo(fifo)
    reader = Reader("x", lambda: VideoFile(fifo), retry=QUICK)
    reader.start()
    assert eventually(lambda: reader.status().state is State.FAILED, 5)
    reader.stop(1)


@contextmanager
def no_further_files() -> Iterator[None]:
    """Keep this process from opening one more file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(2)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_lack_of_open_files_is_named_and_passes(video: Path) -> None:
    """OpenCV says of it only that the file is no video, which would end the stream for good."""
    reader = Reader("door", lambda: VideoFile(video), retry=QUICK)
    with no_further_files():
        reader.start()
        assert eventually(lambda: reader.status().reason is not None, 5)
        status = reader.status()
    assert (status.reason, status.over) == ("too many open files", False)
    assert "ulimit -n" in (status.text or "")
    assert [frame.index for frame in read(reader)] == list(range(20))


def test_a_pipe_that_waits_for_its_writer_is_read_by_one_thread() -> None:
    source, opened = SlowPipe(), []
    reader = Reader("-", lambda: opened.append(source) or source, retry=QUICK)  # type: ignore[func-returns-value]
    reader.start()
    end = time.monotonic() + QUICK.hang_after + 1.5
    while time.monotonic() < end:
        reader.watch()
        time.sleep(0.05)
    source.released.set()
    assert [frame.index for frame in read(reader)] == [0, 1]
    assert len(opened) == 1
