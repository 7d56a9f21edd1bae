"""``edgessd label``: first labels that our own readers read, existing ones never overwritten."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import disk_of_16_mb, fill_up

from edgessd import Detector
from edgessd.commands.cli import run
from edgessd.model.shipped import shipped
from edgessd_training.data.read import read_data

PHOTOGRAPHS = Path(__file__).parents[2] / "runtime" / "edgessd" / "photos"


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


def test_numbers_follow_the_names_that_are_there(pictures: Path, tmp_path: Path) -> None:
    """Labels of an earlier run count by its data.yaml; another model has another order."""
    with Detector(shipped()["default"]) as detector:
        names = sorted(detector.card.labels, reverse=True)
    (tmp_path / "data.yaml").write_text(json.dumps({"names": names, "train": "images"}))
    assert label(pictures, tmp_path, "--format", "yolo") == 0
    data = read_data(f"yolo:{tmp_path}/data.yaml@train")
    assert {data.labels[index] for record in data.records for index in record.classes} >= {"cat", "motorbike"}


@pytest.mark.parametrize(
    ("there", "content", "form", "words"),
    [
        ("data.yaml", "names: [cat]\ntrain: images\n", "yolo", "has no name for"),
        ("labels/a.txt", "0 0.5 0.5 0.1 0.1\n", "yolo", "is missing"),
        ("Annotations/a.xml", "<annotation/>", "yolo", "holds labels as voc"),
        ("data.yaml", "names: [cat]\ntrain: images\n", "voc", "holds labels as yolo"),
    ],
)
def test_new_labels_that_do_not_fit_to_those_there(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str, content: str, form: str, words: str
) -> None:
    place = tmp_path / there
    place.parent.mkdir(exist_ok=True)
    place.write_text(content)
    assert label(pictures, tmp_path, "--format", form) == 2
    assert words in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [place]


def test_nothing_to_label_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert label(tmp_path / "empty", tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()


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


@pytest.mark.parametrize("form", ["voc", "yolo", "coco", "label-studio"])
def test_odd_names_each_have_labels_of_their_own(tmp_path: Path, form: str) -> None:
    """Names that differ in their suffix or case, that hold an escape sequence, a colon or bytes that are no UTF-8."""
    names = [b"a.jpg", b"a.png", b"A.jpeg", b"x\x1b[2J.jpg", b"cam:1.jpg", b"caf\xe9.jpg", b"n" * 246 + b".jpg"]
    data, out = tmp_path / "in", tmp_path / "out"
    (data / "deep" / ("d" * 200)).mkdir(parents=True)
    for name in names:
        _copy_cat(data / os.fsdecode(name))
    _copy_cat(data / "deep" / ("d" * 200) / "a.jpg")
    _copy_cat(data / "._a.jpg")
    (data / "._b.jpg").write_bytes(b"resource fork")
    assert label(data, out, "--format", form) == 0
    images = "JPEGImages" if form == "voc" else "images"
    kept = [path.stem.casefold() for path in (out / images).iterdir()]
    assert len(kept) == len(set(kept)) == len(names) + 1
    if form == "voc":
        (out / "ImageSets" / "Main").mkdir(parents=True)
        # A list of names is UTF-8: the one that is none cannot stand in it.
        ids = [path.stem for path in (out / images).iterdir() if path.stem.isascii()]
        assert len(ids) == len(kept) - 1
        (out / "ImageSets" / "Main" / "train.txt").write_text("\n".join(ids))
    text = {
        "voc": f"voc:{out}@train",
        "yolo": f"yolo:{out}/data.yaml@train",
        "coco": f"coco:{out}/annotations.json@{out}/images",
    }.get(form)
    if text:
        assert all(len(record.boxes_xyxy) for record in read_data(text).records)
    else:
        assert len(json.loads((out / "predictions.json").read_text())) == len(kept)


def test_what_it_wrote_is_not_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels and pictures may lie in the folder of the pictures, or be that folder."""
    _copy_cat(tmp_path / "cat.jpg")
    for out in (tmp_path, tmp_path / "out"):
        for count in (1, 0):
            assert label(tmp_path, out) == 0
            assert f"{count} pictures labelled" in " ".join(capsys.readouterr().out.split())
        assert [path.name for path in (out / "JPEGImages").iterdir()] == ["cat.jpg"]
        shutil.rmtree(tmp_path / "JPEGImages", ignore_errors=True)
        shutil.rmtree(tmp_path / "Annotations", ignore_errors=True)
        (tmp_path / "sheet.jpg").unlink(missing_ok=True)


@pytest.mark.parametrize("form", ["voc", "yolo", "coco"])
def test_a_turned_picture_is_labelled_as_our_readers_turn_it(tmp_path: Path, form: str) -> None:
    """EXIF says that the camera lay on its side."""
    upright = cv2.imread(str(PHOTOGRAPHS / "cat.jpg"))[:, :300]
    encoded = cv2.imencode(".jpg", cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE))[1].tobytes()
    orientation = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    segment = b"Exif\0\0" + orientation
    (tmp_path / "in").mkdir()
    turned = encoded[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + encoded[2:]
    (tmp_path / "in" / "cat.jpg").write_bytes(turned)
    out = tmp_path / "out"
    assert label(tmp_path / "in", out, "--format", form) == 0
    if form == "voc":
        (out / "ImageSets" / "Main").mkdir(parents=True)
        (out / "ImageSets" / "Main" / "train.txt").write_text("cat\n")
    text = {"voc": f"voc:{out}@train", "yolo": f"yolo:{out}/data.yaml@train"}
    (record,) = read_data(text.get(form, f"coco:{out}/annotations.json@{out}/images")).records
    with Detector(shipped()["default"]) as detector:
        found = detector.detect(cv2.imread(str(tmp_path / "in" / "cat.jpg")))
    height, width = upright.shape[:2]
    scale = np.array([width, height, width, height])
    boxes = record.boxes_xyxy * (scale if record.boxes_xyxy.max() <= 1 else 1)
    assert len(boxes) == len(found) > 0
    assert np.abs(boxes - np.clip(found.boxes_xyxy, 0, scale)).max() <= 2


def test_a_full_disk_is_told_and_leaves_no_half_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "in"
    data.mkdir()
    for number in range(100):
        _copy_cat(data / f"{number}.jpg")
    with disk_of_16_mb(tmp_path / "disk") as disk:
        with pytest.raises(OSError, match="No space"):
            fill_up(disk / "fill")
        os.truncate(disk / "fill", (disk / "fill").stat().st_size - 1_000_000)
        assert label(data, disk / "out") in (1, 2)
        assert "cannot write" in capsys.readouterr().err
        kept = list((disk / "out" / "JPEGImages").iterdir())
        assert kept
        assert all(cv2.imread(str(path)) is not None for path in kept)
        assert all(path.read_bytes() == (PHOTOGRAPHS / "cat.jpg").read_bytes() for path in kept)


def _copy_cat(place: Path) -> None:
    place.write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes())
