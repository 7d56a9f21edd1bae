"""Tiles: where they lie, what is merged across their seams, and that a run uses them."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd import Detector
from edgessd.config import config_from
from edgessd.errors import InputError
from edgessd.model.detections import Detections, no_detections
from edgessd.model.postprocess import FAINT, PostProcess
from edgessd.model.tiles import OVERLAP, Tiles, merge, tiles_named
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


def test_a_configuration_s_tiles() -> None:
    text = '[[streams]]\nname = "door"\nsource = "0"\ntiles = '
    assert config_from(parse_toml(text + '"640x480"')).streams[0].parts == Tiles(640, 480)
    with pytest.raises(InputError, match=r"streams\[0\]: tiles are"):
        config_from(parse_toml(text + '"2"'))
