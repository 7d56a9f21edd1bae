"""What the motion gate sees and what it does not: light, shaking, noise, rain, masks, things that move and rest."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import blue_cell

from edgessd import Detector
from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.sources import Frame
from edgessd.sources.frame import Skip
from edgessd.streams import Streams
from edgessd.streams.frame_skipper import FrameSkipper, Interval
from edgessd.streams.motion_gate import HOLD_SECONDS, REFRESH_SECONDS, Mask, MotionGate
from edgessd.util.toml_table import parse_toml

FPS = 15
SETTLED = round(HOLD_SECONDS * FPS) + 1  # frames
Picture = np.ndarray


@pytest.fixture(scope="module")
def street() -> Picture:
    """A still picture of 1280x720 with a margin of 20 pixels, of blocks and edges."""
    coarse = np.random.default_rng(1).integers(20, 220, (22, 38, 3)).astype(np.uint8)
    return cv2.resize(coarse, (1320, 760), interpolation=cv2.INTER_NEAREST)


def cut(street: Picture, x: int = 0, y: int = 0) -> Picture:
    return street[20 + y : 740 + y, 20 + x : 1300 + x].copy()


def looks(pictures: Iterable[Picture], masks: tuple[Mask, ...] = ()) -> list[int]:
    """Return the numbers of the frames that a detector would see, after the first that always are."""
    gate = MotionGate(masks)
    seen = []
    for index, picture in enumerate(pictures):
        if not gate.still(picture, index / FPS):
            gate.detected(index / FPS)
            seen.append(index)
    assert seen[:SETTLED] == list(range(SETTLED))
    return seen[SETTLED:]


def test_a_still_scene_is_looked_at_every_few_seconds(street: Picture) -> None:
    seen = looks(cut(street) for _ in range(10 * FPS))
    assert seen[0] == pytest.approx(SETTLED + REFRESH_SECONDS * FPS, abs=1)
    assert seen[1:3] == [seen[0] + 1, seen[0] + 2]  # a few frames each time
    assert len(seen) <= 9


def still_scenes() -> dict[str, Callable[[Picture, int], Picture]]:
    """Return changes, of a picture and its number, of which none is motion."""
    random = np.random.default_rng(2)

    def rain(street: Picture, _: int) -> Picture:
        picture = cut(street)
        for x, y in random.integers(0, (1280, 700), (40, 2)):
            cv2.line(picture, (int(x), int(y)), (int(x) + 2, int(y) + 20), (190, 190, 190), 1)
        return picture

    return {
        "sensor noise": lambda street, _: cv2.add(cut(street), random.normal(0, 6, (720, 1280, 3)), dtype=cv2.CV_8U),
        "shaking": lambda street, _: cut(street, *random.integers(-6, 7, 2)),
        "dusk": lambda street, index: cv2.convertScaleAbs(cut(street), alpha=1 - index / 150),
        "rain": rain,
    }


@pytest.mark.parametrize("name", still_scenes())
def test_what_is_no_motion_hardly_wakes_the_detector(street: Picture, name: str) -> None:
    change = still_scenes()[name]
    frames = 4 * FPS
    seen = looks(change(street, index) for index in range(frames))
    assert len(seen) <= 0.1 * frames


def test_a_switched_light_is_looked_at_once(street: Picture) -> None:
    seen = looks(cv2.convertScaleAbs(cut(street), alpha=0.4 if index >= 20 else 1) for index in range(40))
    assert seen == [20]


def with_box(street: Picture, x: int, *, width: int = 24, height: int = 60) -> Picture:
    picture = cut(street)
    picture[400 : 400 + height, x : x + width] = (40, 60, 50)
    return picture


@pytest.mark.parametrize("speed", [1, 4, 20])
def test_a_small_thing_that_moves_is_seen(street: Picture, speed: int) -> None:
    """It is looked at again before it has moved by half of its width."""
    seen = looks(with_box(street, 100 + speed * max(0, index - 20)) for index in range(60))
    assert seen[0] <= 20 + max(1, 20 // speed)
    assert all(after - before <= max(1, 20 // speed) for before, after in pairwise(seen))


def test_what_comes_to_rest_is_let_go_and_seen_when_it_leaves(street: Picture) -> None:
    way = [*range(0, 200, 10), *[200] * 40, *range(200, 400, 10)]
    seen = looks(with_box(street, 100 + x) for x in way)
    resting = set(range(20 + SETTLED, 60))
    assert not resting & set(seen)
    assert {60, 61, 62} & set(seen)


def test_a_mask_hides_what_moves_under_it(street: Picture) -> None:
    tree = Mask(((0.05, 0.5), (0.5, 0.5), (0.5, 0.7), (0.05, 0.7)))
    pictures = [with_box(street, 100 + 10 * index) for index in range(40)]
    assert looks(pictures, (tree,)) == []
    assert len(looks(pictures)) > 20


def test_a_new_size_and_a_file_that_begins_anew_are_looked_at(street: Picture) -> None:
    gate = MotionGate()
    for seconds, picture in ((5.0, cut(street)), (5.1, cut(street)[:360, :640]), (0.0, cut(street)[:360, :640])):
        assert not gate.still(picture, seconds)
        gate.detected(seconds)


def test_a_tiny_picture_is_no_error() -> None:
    gate = MotionGate()
    for index in range(5):
        gate.still(np.zeros((1 + index, 2, 3), np.uint8), index)
        gate.detected(index)


def test_a_mask_is_a_polygon() -> None:
    with pytest.raises(InputError, match="a mask: a polygon has at least 3 points"):
        Mask(((0.1, 0.1), (0.2, 0.2)))


class Scene:
    """A file of 10 frames a second: the blue cell comes at 2 s and stays, from 12 s on it is gone."""

    name, live, fps, frame_count = "scene", False, 10.0, 170

    def frames(self) -> Iterator[Frame]:
        cell, nothing = blue_cell(1, 2, height=360, width=480), np.zeros((360, 480, 3), np.uint8)
        for index in range(170):
            yield Frame(cell if 20 <= index < 120 else nothing, "scene", index, 0.0, media_time=index / 10)


def test_a_stream_rests_with_its_tracks(tiny: Path) -> None:
    with Detector(tiny) as detector, Streams(detector, track=True) as streams:
        streams.add("scene", Scene, motion=True)
        found = list(streams)
        (status,) = streams.statuses()
    assert [result.frame.index for result in found] == list(range(170))
    assert status.skipped[Skip.STILL] == sum(result.frame.skip is Skip.STILL for result in found) > 100
    assert [len(result.detections) for result in found] == [0] * 20 + [1] * 100 + [0] * 50
    assert {result.detections.ids[0] for result in found[21:120]} == {1}
    assert [event.kind for result in found for event in result.tracks.events] == ["start", "end"]


@pytest.mark.parametrize("interval", [1, 3])
def test_with_an_interval_one_of_so_many_frames_is_looked_at(street: Picture, interval: int) -> None:
    skipper = FrameSkipper(Interval(interval), MotionGate())
    looked: list[int] = []
    skips = []
    for index in range(60):

        def picture(index: int = index) -> Picture:
            looked.append(index)
            return with_box(street, 100 + 10 * max(0, index - 30))

        skips.append(skipper(index / FPS, picture))
    assert looked == list(range(0, 60, interval))
    between = Skip.BETWEEN if interval > 1 else None
    assert skips[:6] == ([None, between, between] * 2 if interval > 1 else [None] * 6)
    assert set(skips[15:30]) == {Skip.STILL}
    assert skips[33:39] == ([None, between, between] * 2 if interval > 1 else [None] * 6)
    assert sum(skipper.skipped.values()) == sum(skip is not None for skip in skips)


def stream(rest: str) -> str:
    return f'[[streams]]\nname = "door"\nsource = "0"\n{rest}'


MASKED = """
[[streams.masks]]
polygon = [[0, 0], [1, 0], [1, 0.5]]
"""


def test_a_configuration_s_masks() -> None:
    config = config_from(parse_toml(stream("motion = true" + MASKED)))
    assert config.streams[0].masks == (Mask(((0.0, 0.0), (1.0, 0.0), (1.0, 0.5))),)
    assert config.tracking(config.streams[0]) is not None


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (MASKED, "motion = true"),
        ("motion = true" + MASKED.replace("0.5", "5"), r"masks\[0\]: a mask: .* 0 to 1"),
        ("motion = true\ntrack = false", "need tracks"),
    ],
)
def test_a_configuration_s_wrong_motion(rest: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        config_from(parse_toml(stream(rest)))
