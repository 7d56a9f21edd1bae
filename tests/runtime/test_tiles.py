"""Tiles: where they lie, what is merged across their seams, and that a run uses them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd import Detector
from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.model.detections import Detections, no_detections
from edgessd.model.postprocess import FAINT, PostProcess
from edgessd.model.tiles import MOTION, OVERLAP, Tiles, merge, tiles_named
from edgessd.sources import Frame
from edgessd.sources.frame import Region
from edgessd.streams import Streams
from edgessd.streams.motion_regions import MOST_REGIONS, MotionRegions
from edgessd.util.toml_table import parse_toml

HEIGHT, WIDTH = 1080, 1920
CORNERS = Tiles(2, 2).corners(HEIGHT, WIDTH)
SEAM = CORNERS[0][1][0]  # the right edge of the left tiles
Edgessd = Callable[..., tuple[int, str, str]]


def found(*boxes: tuple[float, ...], scores: tuple[float, ...] = (), classes: tuple[int, ...] = ()) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or [0.9] * count, np.float32),
        np.array(classes or [0] * count, np.int64),
    )


def merged(whole: Detections, *parts: Detections) -> Detections:
    filled = [*parts, *[no_detections()] * (4 - len(parts))]
    return merge(whole, filled, CORNERS, height=HEIGHT, width=WIDTH, most=100)


def in_tile(number: int, box: tuple[float, ...]) -> tuple[float, ...]:
    """Return the part of a frame's box that a tile sees, in its pixels."""
    first, last = CORNERS[number]
    low, high = np.tile(first, 2), np.tile(last, 2)
    return tuple(np.clip(box, low, high) - low)


@pytest.mark.parametrize(("across", "down"), [(2, 2), (3, 2), (1, 1), (8, 8), (640, 640), (64, 4000)])
def test_tiles_cover_the_frame_and_overlap(across: int, down: int) -> None:
    corners = Tiles(across, down).corners(720 if across == 64 else HEIGHT, 640 if across == 64 else WIDTH)
    lefts, rights = sorted({a[0] for a, _ in corners}), sorted({b[0] for _, b in corners})
    assert (lefts[0], rights[-1]) == (0, 640 if across == 64 else WIDTH)
    side = rights[0] - lefts[0]
    for left, right in zip(lefts[1:], rights, strict=False):
        assert right - left >= OVERLAP * side - 1
    if across == 640:
        assert side == 640


@pytest.mark.parametrize("text", ["2", "2x", "x2", "0x2", "-1x2", "9x2", "2x640", "a", "2 x 2", "99999x99999", "²x2"])
def test_what_are_no_tiles(text: str) -> None:
    with pytest.raises(InputError, match="tiles are"):
        tiles_named(text)


def test_too_many_tiles() -> None:
    with pytest.raises(InputError, match="at most 64 tiles"):
        Tiles(64, 64).corners(HEIGHT, WIDTH)


def test_an_object_seen_in_every_picture_is_one() -> None:
    box = (SEAM - 100.0, 500.0, SEAM - 40.0, 580.0)  # whole in all four tiles and in the frame
    seen = [found(in_tile(number, box), scores=(0.5 + number / 10,)) for number in range(4)]
    assert merged(found(box), *seen).boxes_xyxy.tolist() == [list(box)]


def test_a_piece_at_a_seam_is_part_of_the_whole_even_with_the_better_score() -> None:
    box = (SEAM - 400.0, 100.0, SEAM + 300.0, 400.0)
    pieces = [found(in_tile(number, box), scores=(0.95,)) for number in range(2)]
    only = merged(found(box, scores=(0.4,)), *pieces)
    assert only.boxes_xyxy.tolist() == [list(box)]


def test_two_pieces_that_nobody_sees_whole_become_one() -> None:
    box = (SEAM - 500.0, 100.0, SEAM + 300.0, 400.0)
    only = merged(no_detections(), *(found(in_tile(number, box)) for number in range(2)))
    assert only.boxes_xyxy.tolist() == [list(box)]


def test_neighbours_and_other_classes_stay() -> None:
    first, second = (SEAM + 20.0, 100.0, SEAM + 60.0, 200.0), (SEAM + 62.0, 100.0, SEAM + 100.0, 200.0)
    inside = (SEAM + 30.0, 110.0, SEAM + 50.0, 130.0)
    tile = found(*(in_tile(1, box) for box in (first, second, inside)), classes=(0, 0, 0), scores=(0.9, 0.8, 0.7))
    kept = merged(found(first, classes=(1,), scores=(0.6,)), no_detections(), tile)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6])  # best first; one in another of a picture stays


def test_faint_boxes_stay_apart_and_replace_no_sure_one() -> None:
    box = (100.0, 100.0, 200.0, 200.0)
    whole = Detections(*[getattr(no_detections(), name) for name in ("boxes_xyxy", "scores", "classes")], faint=found(
        box, (300.0, 300.0, 340.0, 340.0), scores=(0.2, 0.15)))  # fmt: skip
    kept = merged(whole, found(in_tile(0, box), scores=(0.6,)))
    assert kept.scores.tolist() == pytest.approx([0.6])
    assert kept.faint.scores.tolist() == pytest.approx([0.15])


def small_blue(path: Path) -> Path:
    """Write a picture in which a blue cell of the grid of the upper left tile is too small for the whole frame."""
    image = np.zeros((480, 640, 3), np.uint8)
    (left, top), (right, bottom) = Tiles(2, 2).corners(480, 640)[0]
    height, width = bottom - top, right - left
    image[top + height // 3 : top + 2 * height // 3, left + width // 4 : left + width // 2, 0] = 255
    cv2.imwrite(str(path), image)
    return path


def test_detect_looks_into_tiles(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    picture, lines = small_blue(tmp_path / "small.png"), tmp_path / "o.jsonl"
    counts = []
    for options in ((), ("--tiles", "2x2")):
        assert edgessd("detect", picture, "--model", tiny, "--jsonl", lines, *options)[0] == 0
        counts.append(len(json.loads(lines.read_text().splitlines()[-1])["detections"]))
    assert counts == [0, 1]
    code, _, err = edgessd("detect", picture, "--model", tiny, "--tiles", "2")
    assert (code, "tiles are written 2x2" in err) == (2, True)


def test_one_tile_says_what_the_frame_says(tiny: Path, tmp_path: Path) -> None:
    image = cv2.imread(str(small_blue(tmp_path / "small.png")))[:240, :320]
    with Detector(tiny, settings=PostProcess(faint=FAINT)) as detector:
        plain, (tiled, _) = detector.detect(image), detector.detect_tiled_timed(image, Tiles(1, 1))
    assert len(plain) > 0
    assert np.allclose(plain.boxes_xyxy, tiled.boxes_xyxy)
    assert np.array_equal(plain.scores, tiled.scores)


class Walk:
    """A file of 10 frames a second in which a small blue square walks over black, too small for the whole frame."""

    name, live, fps, frame_count = "walk", False, 10.0, 40
    side = 64

    def frames(self) -> Iterator[Frame]:
        for index in range(40):
            picture = np.zeros((720, 1280, 3), np.uint8)
            left, top = self.place(index)
            picture[top : top + self.side, left : left + self.side, 0] = 255
            yield Frame(picture, "walk", index, 0.0, media_time=index / 10)

    def close(self) -> None:
        """Nothing is open."""

    @staticmethod
    def place(index: int) -> tuple[int, int]:
        return 200 + 20 * index, 300


def test_tiles_around_motion_find_what_the_whole_frame_misses(tiny: Path) -> None:
    found = {}
    for tiles in (None, MOTION):
        with Detector(tiny) as detector, Streams(detector, track=True) as streams:
            streams.add("walk", Walk, motion=True, tiles=tiles)
            found[tiles] = list(streams)
    assert all(len(result.detections) == 0 for result in found[None])
    assert all(0 < len(result.frame.regions) <= MOST_REGIONS for result in found[MOTION][1:])
    hits = 0
    for result in found[MOTION]:
        left, top = Walk.place(result.frame.index)
        for box in result.detections.boxes_xyxy:
            hits += bool(box[0] < left + Walk.side and box[2] > left and box[1] < top + Walk.side and box[3] > top)
    assert hits >= 30


def regions_of(*boxes: tuple[int, int, int, int], height: int = 720, width: int = 1280) -> tuple[Region, ...]:
    """Return the regions around boxes of pixels that changed in one frame."""
    regions = MotionRegions()
    changed = np.zeros((90, 160), bool)
    for left, top, right, bottom in boxes:
        changed[top * 90 // height : bottom * 90 // height, left * 160 // width : right * 160 // width] = True
    regions.add(changed, height, width, 0.0)
    return regions(0.0)


def test_a_region_is_a_square_inside_the_frame_around_what_moves() -> None:
    (((left, top), (right, bottom)),) = regions_of((600, 320, 632, 352))
    assert right - left == bottom - top == 180
    assert left < 600 < 632 < right
    assert top < 320 < 352 < bottom
    assert regions_of((0, 0, 32, 32)) == (((0, 0), (180, 180)),)
    (((left, _), (right, bottom)),) = regions_of((1240, 600, 1280, 720))
    assert (right, bottom) == (1280, 720)
    assert right - left == pytest.approx(2 * 120, abs=40)


def test_what_fills_the_frame_is_no_region_and_there_are_few() -> None:
    assert regions_of((0, 0, 800, 600)) == ()
    assert len(regions_of(*[(x, 100, x + 32, 132) for x in range(0, 1280, 160)])) == MOST_REGIONS


def test_regions_stay_for_a_while_and_newer_ones_replace_them() -> None:
    regions, changed = MotionRegions(), np.zeros((90, 160), bool)
    for second, column in enumerate((20, 21, 100)):
        changed[:] = False
        changed[40:44, column : column + 4] = True
        regions.add(changed, 720, 1280, float(second))
    assert len(regions(2.0)) == 2  # the second is the first, moved on
    assert regions(2.0)[0][0][0] > 600
    assert len(regions(11.5)) == 1
    assert regions(13.0) == ()


def test_tiles_around_motion_need_the_gate(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    text = '[[streams]]\nname = "door"\nsource = "0"\ntiles = "motion"'
    with pytest.raises(InputError, match="set motion = true"):
        config_from(parse_toml(text))
    assert config_from(parse_toml(text + "\nmotion = true")).streams[0].parts == MOTION
    picture = small_blue(tmp_path / "small.png")
    code, _, err = edgessd("detect", picture, "--model", tiny, "--tiles", "motion")
    assert (code, "add --motion --track" in err) == (2, True)


def test_a_configuration_s_tiles() -> None:
    text = '[[streams]]\nname = "door"\nsource = "0"\ntiles = '
    assert config_from(parse_toml(text + '"640x480"')).streams[0].parts == Tiles(640, 480)
    with pytest.raises(InputError, match=r"streams\[0\]: tiles are"):
        config_from(parse_toml(text + '"2"'))
