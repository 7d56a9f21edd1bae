"""Annotations as other tools write them: values are parsed, text is decoded, what is not read is told."""

import json
import math
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.errors import DataError
from edgessd_training.data.check import Checked, check
from edgessd_training.data.images import decode_image, image_size_hw
from edgessd_training.data.raw import flag, number, whole
from edgessd_training.data.read import read_data
from edgessd_training.data.repair import repair
from edgessd_training.data.source import parse_source

LINE = "0 .5 .5 .2 .2\n"


def paint(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((30, 40, 3), value, np.uint8)
    image[5:9, 3:20] = value // 2
    cv2.imwrite(str(path), image)
    return path


def yolo(root: Path, names: str = "[cat, dog]", **extra: str) -> str:
    paint(root / "images" / "a.jpg")
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "a.txt").write_text(LINE)
    lines = [f"names: {names}", "train: images", *(f"{key}: {value}" for key, value in extra.items())]
    (root / "data.yaml").write_text("\n".join(lines))
    return f"yolo:{root}/data.yaml@train"


def coco(root: Path, annotations: list[dict], categories: list[dict] | None = None) -> str:
    paint(root / "im" / "a.jpg")
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]} | one for one in annotations],
        "categories": categories or [{"id": 1, "name": "cat"}],
    }
    (root / "a.json").write_text(json.dumps(content))
    return f"coco:{root}/a.json@{root}/im"


def voc(root: Path, xml: bytes, name: str = "a") -> str:
    paint(root / "JPEGImages" / f"{name}.jpg")
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / "Annotations" / f"{name}.xml").write_bytes(xml)
    return f"voc:{root}@all"


def xml(name: str = "cat", difficult: str = "0", head: str = "") -> str:
    edges = "<xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>"
    box = f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{edges}</bndbox></object>"
    return f"{head}<annotation><size><width>40</width><height>30</height></size>{box}</annotation>"


def checked(text: str) -> Checked:
    return check([parse_source(text)])[0]


def kinds(text: str) -> dict[str, str]:
    return {fault.kind: f"{fault.where}: {fault.detail}" for fault in checked(text).faults}


@pytest.mark.parametrize(
    ("value", "meant"),
    [(0, False), ("0", False), ("False", False), (None, False), (1, True), ("1", True), (" true ", True), (True, True),
     (1.0, True), ("0.0", False), (0.5, None), ("Unspecified", None), (2, None), ("maybe", None),
     ([1], None), (float("nan"), None)],
)  # fmt: skip
def test_a_flag_is_parsed(value: object, meant: bool | None) -> None:
    assert flag(value) is meant


@pytest.mark.parametrize(("given", "crowd"), [("0", False), ("1", True), (0, False), (1, True)])
def test_iscrowd_as_text(tmp_path: Path, given: object, crowd: bool) -> None:
    assert read_data(coco(tmp_path, [{"iscrowd": given}])).records[0].crowd.tolist() == [crowd]


def test_iscrowd_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="iscrowd must be 0 or 1"):
        read_data(coco(tmp_path, [{"iscrowd": "maybe"}]))


@pytest.mark.parametrize(("given", "meant"), [("True", True), ("1", True), ("0", False), ("false", False)])
def test_difficult_as_words(tmp_path: Path, given: str, meant: bool) -> None:
    text = voc(tmp_path, xml(difficult=given).encode())
    assert read_data(text).records[0].difficult.tolist() == [meant]


@pytest.mark.parametrize("key", ["iscrowd", "difficult"])
def test_an_image_of_an_unclear_flag_is_left_out_of_the_copy(tmp_path: Path, key: str) -> None:
    text = coco(tmp_path, [{}, {"id": 2, "image_id": 1, key: [1]}])
    (repaired,) = repair(check([parse_source(text)]), tmp_path / "copy")
    assert (repaired.images, repaired.images_left_out) == (0, 1)
    assert not checked(repaired.source).errors


def test_difficult_that_is_neither_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="difficult must be 0 or 1, got 'Unspecified'"):
        read_data(voc(tmp_path, xml(difficult="Unspecified").encode()))


@pytest.mark.parametrize("text", ["1_0", "\u0661", "1e999999", "0x1", "nan", True, None, 10**400])
def test_what_only_python_takes_for_a_number_is_none(text: object) -> None:
    assert not math.isfinite(number(text))
    assert whole(text) in (None, 10**400)


@pytest.mark.parametrize("box", [[float("nan"), 1, 5, 5], [1, 1, float("inf"), 5], [1, 1, int("9" * 400), 5], "box"])
def test_a_box_of_no_numbers_is_named_alone(tmp_path: Path, box: object) -> None:
    found = kinds(coco(tmp_path, [{}, {"bbox": box}]))
    assert set(found) == {"damaged box"}


def test_a_category_that_groups_others_is_no_class(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "fish", "supercategory": "none"},
        {"id": 1, "name": "fish", "supercategory": "fish"},
        {"id": 2, "name": "crab", "supercategory": "fish"},
    ]
    text = coco(tmp_path, [{}], categories)
    assert read_data(text).labels == ("fish", "crab")
    assert [fault.where for fault in checked(text).faults if fault.kind == "unused label"] == ["fish", "crab"]


def test_a_supercategory_may_be_anything(tmp_path: Path) -> None:
    text = coco(tmp_path, [{}], [{"id": 1, "name": "cat", "supercategory": [1]}, {"id": 2, "name": "dog"}])
    assert read_data(text).labels == ("cat", "dog")


@pytest.mark.parametrize("shape", ["[9" + "9" * 5000 + ", 3]", "[17, \u0663]", "[0, 3]", "[17, 4]", "17"])
def test_shapes_of_key_points_that_cannot_be(tmp_path: Path, shape: str) -> None:
    with pytest.raises(DataError, match="kpt_shape"):
        read_data(yolo(tmp_path, kpt_shape=shape))


def test_yaml_names_stay_texts(tmp_path: Path) -> None:
    assert read_data(yolo(tmp_path, "[off, on, 1.0, null, 0x10]")).labels == ("off", "on", "1.0", "null", "0x10")
    assert read_data(yolo(tmp_path, "{'0': off, 1: on}", path="~")).labels == ("off", "on")


@pytest.mark.parametrize("names", ["[[a, b]]", "{0: {a: b}}", "[a, '']", "5"])
def test_names_that_are_no_texts(tmp_path: Path, names: str) -> None:
    with pytest.raises(DataError, match="names"):
        read_data(yolo(tmp_path, names))


def test_nested_aliases_and_brackets_are_bounded(tmp_path: Path) -> None:
    bomb = "a0: &a0 [lol, lol]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
    for text in (f"{bomb}names: [*a9]\ntrain: images\n", "names: " + "[" * 50_000, "names: " + "{a: " * 50_000):
        yolo(tmp_path)
        (tmp_path / "data.yaml").write_text(text)
        start = time.process_time()
        with pytest.raises(DataError) as refused:
            read_data(f"yolo:{tmp_path}/data.yaml@train")
        assert len(str(refused.value)) < 1000
        assert time.process_time() - start < 10


def test_key_points_are_no_outline(tmp_path: Path) -> None:
    line = "0 .5 .5 .2 .2 .1 .1 2 .9 .9 1\n"
    text = yolo(tmp_path, kpt_shape="[2, 3]")
    (tmp_path / "labels" / "a.txt").write_text(line)
    np.testing.assert_allclose(read_data(text).records[0].boxes_xyxy, [[16, 12, 24, 18]], atol=1e-4)
    text = yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text(line)
    with pytest.raises(DataError, match="keypoints need kpt_shape"):
        read_data(text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marked_text_is_decoded(tmp_path: Path, encoding: str) -> None:
    text = yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text(LINE + "1 .5 .5 .4 .4\n", encoding=encoding)
    assert read_data(text).records[0].classes.tolist() == [0, 1]


@pytest.mark.parametrize(("encoding", "name"), [("gb2312", "\u732b"), ("cp1252", "K\xf6ter"), ("utf-8", "\u732b")])
def test_declared_encodings_of_xml(tmp_path: Path, encoding: str, name: str) -> None:
    content = xml(name, head=f'<?xml version="1.0" encoding="{encoding}"?>\n').encode(encoding)
    assert read_data(voc(tmp_path, content)).labels == (name,)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (xml("K\xf6ter").encode("cp1252"), "declares no encoding and is not text in utf-8: save it as UTF-8"),
        (xml("x", head='<?xml version="1.0" encoding="none-such"?>').encode(), "'none-such'"),
        (b"<a>" * 50_000, "nested too deeply"),
    ],
)
def test_xml_that_is_no_text_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in kinds(voc(tmp_path, content))["broken annotation"]


def test_separators_of_windows(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    (tmp_path / "list.txt").write_text("images\\a.jpg\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\ntrain: list.txt\n")
    assert len(read_data(text).records[0].classes) == 1


def test_hidden_files_are_never_read(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    (tmp_path / "images" / "._a.jpg").write_bytes(b"\0" * 4096)
    paint(tmp_path / "images" / ".ipynb_checkpoints" / "a.jpg")
    assert [record.file_name for record in read_data(text).records] == ["images/a.jpg"]
    assert kinds(text) == {}


def test_what_lies_there_and_is_not_read_is_told(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    (tmp_path / "images" / "b.heic").write_bytes(b"x")
    for name in ("b", "c"):
        (tmp_path / "labels" / f"{name}.txt").write_text(LINE)
    found = [(Path(fault.where).name, fault.is_error) for fault in checked(text).faults]
    assert ("b.heic", False) in found
    assert ("c.txt", False) in found


def test_a_label_in_capitals_is_read(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").rename(tmp_path / "labels" / "a.TXT")
    assert len(read_data(text).records[0].classes) == 1


def test_a_flat_folder(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "a.xml").write_text(xml())
    assert read_data(f"voc:{tmp_path}@all").records[0].file_name == "a.jpg"


def test_a_lost_object_is_no_background_and_counted(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    paint(tmp_path / "images" / "b.jpg", 30)
    (tmp_path / "labels" / "b.txt").write_text("0,.5,.5,.2,.2\n0 .5\n")
    (repaired,) = repair([checked(text)], tmp_path / "fixed")
    assert (repaired.images, repaired.images_left_out, repaired.boxes_dropped) == (1, 1, 2)
    assert [record.file_name for record in read_data(repaired.source).records] == ["images/a.jpg"]


def exif(orientation: int) -> bytes:
    return b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)


def turned_jpeg(path: Path) -> None:
    content = path.read_bytes()
    body = b"Exif\0\0" + exif(6)
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:])


def test_a_turned_image_is_told(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    turned_jpeg(tmp_path / "images" / "a.jpg")
    assert "orientation 6" in kinds(text)["turned by EXIF"]


def test_a_png_with_exif_has_the_size_of_its_pixels(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png")
    content = path.read_bytes()
    chunk = b"eXIf" + exif(6)
    extra = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + extra + content[33:])
    assert image_size_hw(path) == decode_image(path.read_bytes(), path).shape[:2]


def test_a_jpeg_with_a_video_behind_its_end_is_whole(tmp_path: Path) -> None:
    content = paint(tmp_path / "a.jpg").read_bytes()
    for tail in (b"\xff\xda" + b"x" * 100, bytes(range(256)) * 20, b"\xff\xd8" * 9):
        assert decode_image(content + tail, tmp_path / "a.jpg").shape == (30, 40, 3)
    with pytest.raises(DataError, match="cut off"):
        decode_image(content[:-40], tmp_path / "a.jpg")


def test_twelve_bits_in_sixteen_are_told(tmp_path: Path) -> None:
    text = yolo(tmp_path)
    (tmp_path / "images" / "a.jpg").unlink()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((30, 40), 4095, np.uint16))
    assert "16 bits" in kinds(text)["nearly black"]


def test_many_categories_take_linear_time(tmp_path: Path) -> None:
    categories = [{"id": index, "name": f"c{index}"} for index in range(60_000)]
    text = coco(tmp_path, [{}] * 3, categories)
    start = time.process_time()
    read_data(text)
    assert time.process_time() - start < 20  # quadratic, it took a minute
