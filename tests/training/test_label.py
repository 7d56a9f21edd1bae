"""``edgessd label``: first labels that our own readers read, existing ones never overwritten."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd import Detector
from edgessd.commands.cli import run
from edgessd.model.shipped import shipped
from edgessd_training.data.read import read_data

PHOTOGRAPHS = Path(__file__).parents[2] / "runtime" / "edgessd" / "bench" / "photos"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs, one that is cut off, and one that somebody has labelled."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("cat.jpg", "motorbike.jpg"):
        (folder / name).write_bytes((PHOTOGRAPHS / name).read_bytes())
    (folder / "cut.jpg").write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes()[:3000])
    (folder / "own.jpg").write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes())
    (folder / "own.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    return folder


def label(pictures: Path, out: Path, *options: str) -> int:
    return run(["label", str(pictures), "--out", str(out), "--model", "default", *options])


@pytest.mark.parametrize(
    ("form", "data"), [("voc", "voc:{out}@train"), ("yolo", "yolo:{out}/data.yaml@train"), ("coco", "")]
)
def test_what_is_written_is_read_by_our_own_readers(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, data: str
) -> None:
    out = tmp_path / form
    assert label(pictures, out, "--format", form) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"2 pictures labelled as {form}" in said
    assert "it has labels already" in said
    assert "cut.jpg" in said
    if form == "voc":
        (out / "ImageSets" / "Main").mkdir(parents=True)
        (out / "ImageSets" / "Main" / "train.txt").write_text("cat\nmotorbike\n")
    records = read_data((data or f"coco:{out}/annotations.json@{out}/images").format(out=out)).records
    read = {record.path.name: record for record in records}
    assert set(read) == {"cat.jpg", "motorbike.jpg"}
    with Detector(shipped()["default"]) as detector:
        image = cv2.imread(str(pictures / "cat.jpg"))
        found = detector.detect(image)
    height, width = image.shape[:2]
    scale = np.array([width, height, width, height])
    boxes = read["cat.jpg"].boxes_xyxy * scale if read["cat.jpg"].boxes_xyxy.max() <= 1 else read["cat.jpg"].boxes_xyxy
    assert len(boxes) == len(found)
    assert np.abs(boxes - np.clip(found.boxes_xyxy, 0, scale)).max() <= 1  # VOC's whole pixels
    assert (out / "sheet.jpg").stat().st_size > 10_000


def test_labels_that_are_there_stay(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert label(pictures, out) == 0
    corrected = out / "Annotations" / "cat.xml"
    corrected.write_text("<annotation/>")
    assert label(pictures, out) == 0
    assert corrected.read_text() == "<annotation/>"


def test_label_studio_gets_percent(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert label(pictures, out, "--format", "label-studio", "--score", "cat=0.6") == 0
    tasks = json.loads((out / "predictions.json").read_text())
    values = [each["value"] for task in tasks for each in task["predictions"][0]["result"]]
    assert values
    assert all(0 <= value["x"] <= value["x"] + value["width"] <= 100.01 for value in values)
    assert {value["rectanglelabels"][0] for value in values} >= {"cat", "motorbike"}


def test_a_video_gives_frames_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for name in ("cat.jpg", "motorbike.jpg"):
        frame = cv2.resize(cv2.imread(str(PHOTOGRAPHS / name)), (320, 240))
        for _ in range(4):
            writer.write(frame)
    writer.release()
    assert label(clip, tmp_path / "out", "--every", "2") == 0
    assert "2 left out, such as clip_000002.jpg: it looks like the frame before" in " ".join(
        capsys.readouterr().out.split()
    )
    kept = sorted(path.name for path in (tmp_path / "out" / "JPEGImages").iterdir())
    assert kept == ["clip_000000.jpg", "clip_000004.jpg"]


@pytest.mark.parametrize(
    ("options", "words"), [(["--format", "pascal"], "--format is one of"), (["--score", "much"], "--score is a number")]
)
def test_wrong_options_are_one_line(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert label(pictures, tmp_path / "out", *options) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
