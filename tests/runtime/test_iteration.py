"""Results by iteration: order, drops, faults, stages, and an end that leaves nothing behind."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frames import blue_cell
from servers.cameras import free_port, mjpeg_camera
from servers.numbered import number_of

from edgessd import Detector
from edgessd.errors import InputError, VideoError
from edgessd.model.detections import no_detections
from edgessd.sources import Frame, Source, VideoFile, open_source
from edgessd.sources.fault import SourceFault
from edgessd.streams import Result, Retry, Streams
from edgessd.streams.delivery import Delivery


class Listed:
    """A source of frames from memory; it waits ``pause`` seconds before each."""

    name = "listed"
    fps = None
    frame_count = None

    def __init__(self, images: list[np.ndarray], *, live: bool = False, pause: float = 0, fault: bool = False) -> None:
        self.images, self.live, self.pause, self.fault = images, live, pause, fault
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        try:
            for index, image in enumerate(self.images):
                time.sleep(self.pause)
                yield Frame(image, self.name, index, time.monotonic())
            if self.fault:
                raise VideoError("the cable was pulled")
        finally:
            self.closed = True


class Late(Delivery):
    """A queue whose first look is over before the first result comes, and whose second look is after the last."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(capacity=100)
        self.streams = streams
        self.looked = False

    def get(self, timeout: float) -> Result | None:
        if self.looked:
            return super().get(timeout)
        self.looked = True
        assert self.streams.wait(threading.Event(), 10)
        return None


def once(source: Source) -> Callable[[], Source]:
    """Return what opens a source; a second time it refuses for good, so that a live one is over."""
    left = [source]

    def connect() -> Source:
        if left:
            return left.pop()
        raise InputError("gone")

    return connect


@contextmanager
def iterated(tiny: Path, source: Source, *, workers: int = 1, policy: str | None = None) -> Iterator[Streams]:
    with Detector(tiny, workers=workers) as detector, Streams(detector, workers=workers) as streams:
        streams.add("listed", once(source), policy=policy)
        yield streams


def indices(streams: Streams, *, pause: float = 0) -> list[int]:
    """Return the indices of all results, those before the fault that ends a live source."""
    found = []
    try:
        for result in streams:
            found.append(result.frame.index)
            time.sleep(pause)
    except SourceFault as fault:
        assert fault.cause == "gone"  # noqa: PT017 - it ends after the results, which are looked at
    return found


def test_every_frame_in_order_with_several_workers(tiny: Path) -> None:
    images = [blue_cell(*divmod(index % 12, 4)) for index in range(100)]
    with iterated(tiny, Listed(images), workers=4) as streams:
        results = list(streams)
        assert streams.dropped == 0
    assert [result.frame.index for result in results] == list(range(100))
    for index, result in enumerate(results):
        row, column = divmod(index % 12, 4)
        assert result.detections.boxes_xyxy[0].round().tolist() == [column * 8, row * 8, column * 8 + 8, row * 8 + 8]
        assert result.age > 0


def test_latest_drops_and_counts_but_keeps_the_last(tiny: Path) -> None:
    source = Listed([blue_cell(0, 0)] * 200, live=True, pause=0.0005)
    with iterated(tiny, source) as streams:
        found = indices(streams, pause=0.005)
        dropped = streams.dropped
    assert found == sorted(found)
    assert found[-1] == 199
    assert len(found) + dropped == 200
    assert dropped > 0


def test_a_slow_loop_makes_a_file_wait(tiny: Path) -> None:
    with iterated(tiny, Listed([blue_cell(0, 0)] * 30), workers=2) as streams:
        assert indices(streams, pause=0.005) == list(range(30))
        assert streams.dropped == 0


def test_a_slow_camera_loses_nothing(tiny: Path) -> None:
    with iterated(tiny, Listed([blue_cell(0, 0)] * 8, live=True, pause=0.15)) as streams:
        assert indices(streams) == list(range(8))
        assert streams.dropped == 0


def test_a_fault_of_the_source_comes_after_what_was_read(tiny: Path) -> None:
    source = Listed([blue_cell(0, 0)] * 3, fault=True)
    with iterated(tiny, source, workers=2) as streams:
        results = iter(streams)
        assert [next(results).frame.index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(VideoError, match="cable"):
            next(results)
    assert source.closed


def test_a_fault_of_the_detector_reaches_the_loop(tiny: Path) -> None:
    source = Listed([np.zeros((4, 4), np.uint8)] * 50)
    with iterated(tiny, source, workers=2) as streams, pytest.raises(InputError, match="BGR"):
        list(streams)
    assert source.closed


def test_leaving_early_frees_the_source_and_the_threads(tiny: Path) -> None:
    before = threading.active_count()
    source = Listed([blue_cell(0, 0)] * 10_000)
    with iterated(tiny, source, workers=2) as streams:
        next(iter(streams))
    assert source.closed
    assert threading.active_count() == before


def test_an_empty_source(tiny: Path) -> None:
    with iterated(tiny, Listed([]), workers=2) as streams:
        assert list(streams) == []


def test_an_unknown_policy(tiny: Path) -> None:
    with pytest.raises(InputError, match="latest, every"), iterated(tiny, Listed([]), policy="some"):
        pass


def test_a_video_file(tiny: Path, video: Path) -> None:
    source = open_source(str(video))
    assert (source.live, source.fps, source.frame_count) == (False, 25, 20)
    with iterated(tiny, source, workers=2) as streams:
        assert [len(result.detections) for result in streams] == [0] * 10 + [1] * 10


def test_a_file_that_is_missing_is_told(tiny: Path, tmp_path: Path) -> None:
    with Detector(tiny) as detector, Streams(detector) as streams:
        streams.add("x", lambda: VideoFile(tmp_path / "none.mp4"))
        with pytest.raises(VideoError, match=r"none\.mp4"):
            list(streams)


def test_a_camera_that_comes_back_goes_on(tiny: Path) -> None:
    port = free_port()
    retry = Retry(first_retry=0.01, longest_retry=0.05)
    camera = mjpeg_camera(port, "--fps", 100, "--frames", 10)
    with camera, Detector(tiny) as detector, Streams(detector, retry=retry) as streams:
        streams.add("x", f"http://127.0.0.1:{port}/live", policy="every")
        results = iter(streams)
        numbers = [number_of(next(results).frame.image) for _ in range(25)]
    assert numbers == [*range(10), *range(10), *range(5)]


def test_a_first_connection_that_fails_is_told(tiny: Path) -> None:
    with Detector(tiny) as detector, Streams(detector) as streams:
        streams.add("x", f"http://127.0.0.1:{free_port()}/live")
        with pytest.raises(SourceFault, match="refuses connections"):
            list(streams)


def test_stages_see_the_results_of_their_stream_in_order(tiny: Path) -> None:
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def emptied(result: Result) -> Result:
        seen[result.frame.source].append(result.frame.index)
        return replace(result, detections=no_detections())

    with Detector(tiny, workers=4) as detector, Streams(detector, workers=4) as streams:
        for name in seen:
            streams.add(name, once(Listed([blue_cell(1, 1)] * 40)), stages=[emptied])
        streams.add("plain", once(Listed([blue_cell(1, 1)] * 40)))
        results = list(streams)
    assert seen == {"a": list(range(40)), "b": list(range(40))}
    assert {len(result.detections) for result in results if result.frame.source != "plain"} == {0}
    assert {len(result.detections) for result in results if result.frame.source == "plain"} == {1}


@pytest.mark.parametrize("name", ["", "../../x", "a b", "a/b", "door\n", "x" * 101])
def test_a_name_that_cannot_be_a_file_or_a_topic(tiny: Path, name: str) -> None:
    with Detector(tiny) as detector, Streams(detector) as streams, pytest.raises(InputError, match="stream's name"):
        streams.add(name, "0")


@pytest.mark.parametrize("fault", [False, True])
def test_no_result_is_lost_that_comes_while_the_end_is_looked_for(tiny: Path, fault: bool) -> None:
    seen = []
    with Detector(tiny) as detector, Streams(detector) as streams:
        streams._delivery = Late(streams)
        streams.add("few", once(Listed([blue_cell(0, 0)] * 3, fault=fault)))
        try:
            for result in streams:
                seen.append(result.frame.index)
        except VideoError:
            assert fault
    assert seen == [0, 1, 2]


def test_an_interrupt_stops_between_two_results_and_a_second_one_at_once(tiny: Path) -> None:
    images = [np.zeros((48, 64, 3), np.uint8)] * 5
    with Detector(tiny) as detector, Streams(detector) as streams:
        streams.add("a", once(Listed(images)))
        results = iter(streams)
        next(results)
        streams.interrupt()
        with pytest.raises(KeyboardInterrupt):
            next(results)
        with pytest.raises(KeyboardInterrupt):
            streams.interrupt()
