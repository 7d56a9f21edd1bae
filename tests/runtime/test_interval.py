"""Detecting in every n-th frame: order, predicted boxes, what stays as it was, how "auto" chooses."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from servers.cameras import Remembered, eventually

from edgessd import Detector
from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.sources import Frame, Repeated, VideoFile
from edgessd.sources.frame import Choose, Skip, is_blank
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.y4m import y4m_frames
from edgessd.streams import QueuedSink, Streams
from edgessd.streams.auto_interval import AutoInterval, Load
from edgessd.streams.frame_skipper import MOST_INTERVAL
from edgessd.util.toml_table import parse_toml

Edgessd = Callable[..., tuple[int, str, str]]


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A video of 30 frames, 640x480, in which a blue square moves right by 4 pixels a frame."""
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    for index in range(30):
        image = np.zeros((480, 640, 3), np.uint8)
        image[160:320, 160 + 4 * index : 320 + 4 * index, 0] = 255
        writer.write(image)
    writer.release()
    return path


def results(detector: Detector, video: Path, **settings: object) -> list:
    with Streams(detector, workers=2, track=True) as streams:
        streams.add("file", str(video), **settings)
        return list(streams)


@pytest.fixture
def detector(tiny: Path) -> Iterator[Detector]:
    with Detector(tiny, workers=2) as opened:
        yield opened


@pytest.mark.parametrize("interval", [2, 3, 10])
def test_every_nth_frame_is_detected_in_and_all_come_in_order(detector: Detector, walk: Path, interval: int) -> None:
    found = results(detector, walk, interval=interval)
    assert [each.frame.index for each in found] == list(range(30))
    assert [each.frame.skip for each in found] == [Skip.BETWEEN if index % interval else None for index in range(30)]
    assert [each.detections.predicted for each in found] == [bool(index % interval) for index in range(30)]
    assert all(each.stages.inference == 0 for each in found if each.frame.skip)


def test_frames_between_show_the_tracks_of_the_frame_before(detector: Detector, walk: Path) -> None:
    found = results(detector, walk, interval=3)
    for index, each in enumerate(found):
        before = found[index - index % 3].detections
        assert sorted(each.detections.ids) == sorted(before.ids)
    assert len(found[5].tracks.trails[1]) == 6  # a sure box has its id at once


def test_an_interval_of_one_changes_no_bit(detector: Detector, walk: Path) -> None:
    plain, one = results(detector, walk), results(detector, walk, interval="1")
    for first, second in zip(plain, one, strict=True):
        assert np.array_equal(first.detections.boxes_xyxy, second.detections.boxes_xyxy)
        assert np.array_equal(first.detections.scores, second.detections.scores)
        assert first.frame.skip is second.frame.skip is None


def test_several_streams_keep_their_own_intervals(detector: Detector, walk: Path) -> None:
    memory = Remembered()
    with Streams(detector, [QueuedSink("memory", memory, capacity=999)], workers=2, track=True) as streams:
        for name, interval in {"a": 1, "b": 2, "c": 5}.items():
            streams.add(name, str(walk), interval=interval)
        assert streams.wait(threading.Event(), timeout=30)
        assert eventually(lambda: len(memory.results) == 90, 5)
        skipped = {status.name: status.skipped for status in streams.statuses()}
    assert skipped == {"a": {}, "b": {Skip.BETWEEN: 15, Skip.STILL: 0}, "c": {Skip.BETWEEN: 24, Skip.STILL: 0}}
    for name in "abc":
        assert [result.frame.index for result in memory.of(name)] == list(range(30))


def jpegs() -> Iterator[bytes]:
    for index in range(9):
        yield cv2.imencode(".jpg", np.full((48, 64, 3), 20 * index, np.uint8))[1].tobytes()
    while True:
        yield b""


def planes() -> io.BytesIO:
    frames = b"".join(b"FRAME\n" + bytes([20 * index]) * (48 * 64 * 3 // 2) for index in range(9))
    return io.BytesIO(b"YUV4MPEG2 W64 H48 C420\n" + frames)


def read_file(walk: Path, choose: Choose | None) -> Iterator[Frame]:
    with VideoFile(walk) as video:
        video.choose = choose
        yield from islice(video.frames(), 9)


SOURCES: dict[str, Callable[[Path, Choose | None], Iterator[Frame]]] = {
    "a file": read_file,
    "JPEG pictures": lambda _, choose: jpeg_frames(partial(next, jpegs()), "x", choose=choose),
    "planes of a program": lambda _, choose: y4m_frames(planes().read, "x", choose=choose),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("looks", [False, True])
def test_a_source_makes_no_picture_of_a_frame_that_is_skipped(walk: Path, kind: str, looks: bool) -> None:
    numbers = count()

    def third(_: float, picture: Callable[[], np.ndarray]) -> Skip | None:
        if looks:
            assert picture().any() or kind != "a file"
        return Skip.BETWEEN if next(numbers) % 3 else None

    every, chosen = (list(SOURCES[kind](walk, choose)) for choose in (None, third))
    assert len(every) == len(chosen) == 9
    for index, (plain, frame) in enumerate(zip(every, chosen, strict=True)):
        assert (frame.index, frame.media_time, frame.chosen) == (index, plain.media_time, True)
        assert frame.image.shape == plain.image.shape
        assert frame.skip == (Skip.BETWEEN if index % 3 else None)
        if index % 3 == 0:
            assert np.array_equal(frame.image, plain.image)
        elif index > 2:
            assert is_blank(frame.image)
        assert not plain.chosen


def test_a_damaged_picture_is_no_frame_and_those_after_it_are_decoded_until_one_is_whole() -> None:
    pictures = list(islice(jpegs(), 6))
    pictures[2] = pictures[2][:-40] + b"\xff\xd9"  # its header is whole
    pictures[2] = pictures[2].replace(b"\xff\xda", b"\xff\x00", 1)
    pieces = iter([*pictures, b""])
    numbers = count()
    frames = list(
        jpeg_frames(lambda: next(pieces), "x", choose=lambda *_: None if next(numbers) in (0, 2) else Skip.BETWEEN)
    )
    assert len(frames) == 5
    assert [is_blank(frame.image) for frame in frames] == [False, True, False, True, True]


class Asking(Repeated):
    """A file that remembers whether it was told which pictures to make."""

    told: ClassVar[list[bool]] = []

    def frames(self) -> Iterator[Frame]:
        self.told.append(self.choose is not None)
        yield from islice(super().frames(), 30)


@pytest.mark.parametrize(("wants", "of", "told"), [(True, None, False), (False, None, True), (True, ["b"], True)])
def test_pictures_of_skipped_frames_are_made_where_a_sink_wants_them(
    detector: Detector, walk: Path, wants: bool, of: list[str] | None, told: bool
) -> None:
    """The boxes are the same."""
    memory, pictures = Remembered(needs_image=False), Remembered(needs_image=wants)
    sinks = [QueuedSink("memory", memory, capacity=99), QueuedSink("pictures", pictures, streams=of, capacity=99)]
    Asking.told.clear()
    with Streams(detector, sinks, workers=2, track=True) as streams:
        streams.add("a", lambda: Asking(VideoFile(walk)), interval=3)
        assert streams.wait(threading.Event(), timeout=30)
    assert Asking.told == [told]
    if wants and of is None:
        assert all(result.frame.image.any() for result in pictures.results)
    expected = results(detector, walk, interval=3)
    assert len(memory.results) == len(expected) == 30
    for first, second in zip(memory.results, expected, strict=True):
        assert first.frame.index == second.frame.index
        assert first.frame.skip == second.frame.skip
        assert np.array_equal(first.detections.boxes_xyxy, second.detections.boxes_xyxy)


def test_a_camera_drops_no_skipped_frame_before_it_is_told(detector: Detector, walk: Path) -> None:
    memory = Remembered()
    with Streams(detector, [QueuedSink("memory", memory, capacity=999)], workers=2, track=True) as streams:
        streams.add("camera", lambda: Repeated(VideoFile(walk), 50), interval=3)
        assert eventually(lambda: len(memory.results) >= 40, 20)
    told = [result.frame.index for result in memory.results]
    assert told == sorted(set(told))
    status = memory.statuses[-1]
    assert len(told) + status.dropped >= told[-1] + 1


def test_json_lines_mark_predicted_boxes(edgessd: Edgessd, tiny: Path, walk: Path, tmp_path: Path) -> None:
    lines = tmp_path / "o.jsonl"
    assert edgessd("detect", walk, "--model", tiny, "--track", "--interval", 3, "--jsonl", lines)[0] == 0
    marks = [
        [box.get("predicted", False) for box in json.loads(line)["detections"]]
        for line in lines.read_text().splitlines()
    ]
    assert marks[6:9] == [[False], [True], [True]]


def test_what_makes_no_sense_is_refused(edgessd: Edgessd, detector: Detector, walk: Path, tiny: Path) -> None:
    for option in (("--interval", 3), ("--motion",)):
        code, _, err = edgessd("detect", walk, "--model", tiny, *option)
        assert (code, "add --track" in err) == (2, True)
    code, _, err = edgessd("detect", walk, "--model", tiny, "--track", "--interval", 11)
    assert (code, "from 1 to 10, got '11'" in err) == (2, True)
    with Streams(detector) as streams:
        with pytest.raises(InputError, match="need tracks"):
            streams.add("a", str(walk), interval=2)
        with pytest.raises(InputError, match="got '0'"):
            streams.add("a", str(walk), interval=0, track=True)


def stream(rest: str) -> str:
    return f'[[streams]]\nname = "door"\nsource = "0"\n{rest}'


@pytest.mark.parametrize(("written", "apart"), [("3", 3), ('"auto"', "auto"), ('"4"', 4), ("1", 1)])
def test_a_configuration_s_interval(written: str, apart: int | str) -> None:
    config = config_from(parse_toml(stream(f"interval = {written}")))
    assert config.streams[0].frames_apart == apart
    assert (config.tracking(config.streams[0]) is not None) == (apart != 1)


@pytest.mark.parametrize(
    ("rest", "words"), [("interval = 0", "one of auto, 1"), ("interval = 2\ntrack = false", "need tracks")]
)
def test_a_configuration_s_wrong_interval(rest: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        config_from(parse_toml(stream(rest)))


class Machine:
    """A machine that detects in ``most`` frames a second, under an interval that watches it."""

    def __init__(self, most: float) -> None:
        self.most, self.now = most, 0.0
        self.auto = AutoInterval()
        self.read = self.dropped = 0
        self.busy = 0.0

    def run(self, fps: float, seconds: float) -> int:
        """Let cameras of so many frames a second in all run; return the interval at the end."""
        for _ in range(round(seconds * 10)):
            wanted = fps / self.auto.interval.frames
            self.now += 0.1
            self.read += round(fps * 0.1)
            self.dropped += round(max(0.0, wanted - self.most) * self.auto.interval.frames * 0.1)
            self.busy += 0.1 * min(1.0, wanted / self.most)
            self.auto.look(Load(self.read, self.dropped, self.busy), self.now)
        return self.auto.interval.frames


def test_auto_finds_the_smallest_interval_and_goes_back() -> None:
    machine = Machine(most=100)
    assert machine.run(90, 20) == 1
    assert machine.run(250, 20) == 3
    assert machine.run(250, 60) == 3
    assert machine.run(100, 60) == 2  # at 1 the workers would be full
    assert machine.run(50, 60) == 1


def test_auto_ends_at_its_largest(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(most=10)
    assert machine.run(1000, 60) == MOST_INTERVAL
    assert caplog.text.count("too many cameras") == 1
