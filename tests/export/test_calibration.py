"""Ranges: how they are cut, kept, and refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.errors import DataError, InputError
from edgessd_export.images import image_paths, inputs, spread
from edgessd_export.quantisation.calibration import (
    BINS,
    Calibration,
    entropy_bin,
    percentile_bin,
    read_ranges,
    save_ranges,
)

FOUND = Calibration("max", 3, "abc", {"first:in": (-1.0, 0.5)})


def test_percentile_leaves_out_one_value_in_ten_thousand() -> None:
    histogram = np.zeros(BINS, np.int64)
    histogram[:100] = 1000  # 100,000 values in the first hundred bins
    histogram[2047] = 5  # five outliers far away
    assert percentile_bin(histogram) == 100


def test_entropy_cuts_a_lone_outlier_and_keeps_an_even_spread() -> None:
    bell = (1e6 * np.exp(-((np.arange(BINS) / 60) ** 2) / 2)).astype(np.int64)
    bell[2000] = 1
    assert 200 < entropy_bin(bell) < 400  # 3.3 to 6.7 standard deviations
    assert entropy_bin(np.full(BINS, 1000)) == BINS


def test_ranges_come_back_as_written(tmp_path: Path) -> None:
    save_ranges(tmp_path / "r.json", FOUND)
    assert read_ranges(tmp_path / "r.json", "abc") == FOUND


def test_ranges_of_another_checkpoint_are_refused(tmp_path: Path) -> None:
    save_ranges(tmp_path / "r.json", FOUND)
    with pytest.raises(InputError, match="another checkpoint"):
        read_ranges(tmp_path / "r.json", "abd")


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "ranges": {"a": [1, 2, 3]}}'])
def test_damaged_ranges_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match="calibrate again"):
        read_ranges(tmp_path / "r.json", "abc")


def test_a_folder_of_images_is_taken_and_a_cut_off_one_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((30, 50, 3), 90, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    paths = image_paths(str(tmp_path))
    assert [path.name for path in paths] == ["a.jpg", "b.png"]
    assert [image.shape for image in inputs(paths, 20, 40)] == [(1, 20, 40, 3)] * 2
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-20])
    with pytest.raises(DataError, match="cut off"):
        list(inputs(paths, 20, 40))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        image_paths(str(tmp_path))


def test_images_are_spread_over_the_set() -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert [path.name for path in spread(paths, 4)] == ["0", "3", "6", "9"]
    assert spread(paths, 50) == paths
    assert spread([], 5) == []


@pytest.mark.parametrize("name", ["clip.mp4", "nowhere"])
def test_what_is_no_folder_of_images_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(InputError, match=rf"expected a folder of images or a data set, got .*{name}: give a folder"):
        image_paths(str(tmp_path / name))
