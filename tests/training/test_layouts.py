"""A folder as each annotation tool writes it becomes the same pictures and boxes."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.errors import DataError, InputError
from edgessd_training.data.prepare import prepare
from edgessd_training.data.read import read_data

WIDTH, HEIGHT = 80, 60
BOX = (8, 6, 40, 30)  # left, top, right, bottom
NAMES = [f"shot {number}" for number in range(8)]


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))


def xml(path: Path, name: str) -> None:
    left, top, right, bottom = BOX
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{name}.png</filename><size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        f"<object><name>hen</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
        f"<ymax>{bottom}</ymax></bndbox></object></annotation>"
    )


def yolo(path: Path, number: int = 0) -> None:
    left, top, right, bottom = BOX
    values = ((left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT, (right - left) / WIDTH, (bottom - top) / HEIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{number} {' '.join(map(str, values))}\n")


def coco(path: Path, names: list[str], prefix: str = "") -> None:
    left, top, right, bottom = BOX
    images = [
        {"id": index, "file_name": f"{prefix}{name}.png", "height": HEIGHT, "width": WIDTH}
        for index, name in enumerate(names)
    ]
    boxes = [
        {"id": index, "image_id": index, "category_id": 1, "bbox": [left, top, right - left, bottom - top], "area": 768}
        for index in range(len(names))
    ]
    categories = [{"id": 0, "name": "animals", "supercategory": "none"}]
    categories += [{"id": 1, "name": "hen", "supercategory": "animals"}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))


def parts() -> list[tuple[str, list[str]]]:
    return [("train", NAMES[:5]), ("valid", NAMES[5:7]), ("test", NAMES[7:])]


def write_voc(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / "JPEGImages" / f"{name}.png", seed)
        xml(root / "Annotations" / f"{name}.xml", name)
    for split, names in parts():
        listing = root / "ImageSets" / "Main" / f"{split.replace('valid', 'val')}.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text("\n".join(names) + "\n")


def write_flat_xml(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / f"{name}.png", seed)
        xml(root / f"{name}.xml", name)


def write_images_and_annotations(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / "images" / f"{name}.png", seed)
        xml(root / "annotations" / f"{name}.xml", name)


def write_roboflow_voc(root: Path) -> None:
    for split, names in parts():
        for seed, name in enumerate(names):
            picture(root / split / f"{name}.png", hash((split, seed)) % 1000)
            xml(root / split / f"{name}.xml", name)
    (root / "README.roboflow.txt").write_text("exported")


def write_roboflow_yolo(root: Path) -> None:
    for split, names in parts():
        for seed, name in enumerate(names):
            picture(root / split / "images" / f"{name}.png", NAMES.index(name) + seed * 0)
            yolo(root / split / "labels" / f"{name}.txt")
    (root / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 1\nnames: ['hen']\n"
    )


def write_roboflow_coco(root: Path) -> None:
    for split, names in parts():
        for name in names:
            picture(root / split / f"{name}.png", NAMES.index(name))
        coco(root / split / "_annotations.coco.json", names)


def write_coco(root: Path) -> None:
    for split, names in parts():
        year = f"{split.replace('valid', 'val')}2017"
        for name in names:
            picture(root / year / f"{name}.png", NAMES.index(name))
        coco(root / "annotations" / f"instances_{year}.json", names)
        coco(root / "annotations" / f"person_keypoints_{year}.json", names[:1])


def write_label_studio_coco(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / "images" / f"{name}.png", seed)
    coco(root / "result.json", NAMES, prefix="images/")


def write_cvat(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / "obj_train_data" / f"{name}.png", seed)
        yolo(root / "obj_train_data" / f"{name}.txt")
    (root / "train.txt").write_text("".join(f"data/obj_train_data/{name}.png\n" for name in NAMES))
    (root / "obj.names").write_text("hen\n")
    (root / "obj.data").write_text("classes = 1\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")


def write_flat_yolo(root: Path) -> None:
    """LabelImg's classes.txt begins with fifteen names that it ships."""
    for seed, name in enumerate(NAMES):
        picture(root / f"{name}.png", seed)
        yolo(root / f"{name}.txt", 1)
    (root / "classes.txt").write_text("dog\nhen\n")


def write_label_studio_yolo(root: Path) -> None:
    for seed, name in enumerate(NAMES):
        picture(root / "images" / f"{name}.png", seed)
        yolo(root / "labels" / f"{name}.txt")
    (root / "classes.txt").write_text("hen\n")
    (root / "notes.json").write_text('{"categories": [], "info": {}}')


SPLIT = (write_voc, write_roboflow_voc, write_roboflow_yolo, write_roboflow_coco, write_coco)
WHOLE = (
    write_flat_xml,
    write_images_and_annotations,
    write_label_studio_coco,
    write_cvat,
    write_flat_yolo,
    write_label_studio_yolo,
)


@pytest.mark.parametrize("write", [*SPLIT, *WHOLE])
def test_every_tool_s_folder_gives_the_same_boxes(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "set")
    found = prepare(str(tmp_path / "set"), tmp_path / "run")
    texts = [text for text in (found.train, found.val, found.test) if text]
    splits = [read_data(text) for text in texts]
    assert [len(split.records) for split in splits] == ([5, 2, 1] if write in SPLIT else [6, 2])
    assert sorted(Path(record.file_name).stem for split in splits for record in split.records) == NAMES
    for split in splits:
        assert split.labels == ("hen",)
        for record in split.records:
            assert record.path.is_file()
            assert (record.height, record.width) == (HEIGHT, WIDTH)
            np.testing.assert_allclose(record.boxes_xyxy, [BOX], atol=1e-3)


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted(folder.rglob("*")):
            content.write(path, f"outer/{path.relative_to(folder)}")
        content.writestr("__MACOSX/outer/._a", b"x")
    return archive


def test_a_zip_is_its_folder(tmp_path: Path) -> None:
    write_cvat(tmp_path / "set")
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    first = prepare(str(archive), tmp_path / "run")
    again = prepare(str(archive), tmp_path / "run")
    assert first == again
    assert len(read_data(first.train).records) == 6


def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("../out.txt", "/out.txt", "a/../../out.txt", "C:\\out.txt")):
        archive = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as content:
            content.writestr(name, b"x")
        with pytest.raises(DataError, match="may leave its folder"):
            prepare(str(archive), tmp_path / "run")
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as content:
        content.writestr(link, "/etc")
    with pytest.raises(DataError, match="may leave its folder"):
        prepare(str(tmp_path / "link.zip"), tmp_path / "run")
    assert not (tmp_path / "out.txt").exists()


def test_a_zip_bomb_and_a_cut_off_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("zeros", bytes(100 << 20))
    with pytest.raises(DataError, match="too much for its size"):
        prepare(str(tmp_path / "bomb.zip"), tmp_path / "run")
    write_flat_xml(tmp_path / "set")
    whole = zipped(tmp_path / "set", tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no whole zip"):
        prepare(str(tmp_path / "cut.zip"), tmp_path / "run")


def test_one_broken_picture_is_told_and_left_out(tmp_path: Path) -> None:
    write_voc(tmp_path / "set")
    (tmp_path / "set" / "JPEGImages" / f"{NAMES[0]}.png").write_bytes(b"no picture")
    found = prepare(str(tmp_path / "set"), tmp_path / "run")
    assert len(read_data(found.train).records) == 4
    assert "1 of 8 pictures left out" in found.told
    assert any("broken image" in line and NAMES[0] in line for line in found.told)


def test_a_set_of_mostly_broken_pictures_is_refused(tmp_path: Path) -> None:
    write_flat_xml(tmp_path / "set")
    for name in NAMES[:5]:
        (tmp_path / "set" / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="5 of 8 pictures cannot be used"):
        prepare(str(tmp_path / "set"), tmp_path / "run")


def test_what_is_no_layout_says_what_is_there(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.png", 1)
    (tmp_path / "set" / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"1 images, 1 \.txt; YOLO labels need .* classes\.txt"):
        prepare(str(tmp_path / "set"), tmp_path / "run")
    with pytest.raises(InputError, match="no folder or zip"):
        prepare(str(tmp_path / "nowhere"), tmp_path / "run")


def test_a_validation_split_of_the_training_pictures_is_replaced(tmp_path: Path) -> None:
    """As many write their data.yaml: val names the folder of train."""
    root = tmp_path / "set"
    for seed, name in enumerate(NAMES):
        picture(root / "images" / f"{name}.png", seed)
        yolo(root / "labels" / f"{name}.txt")
    (root / "data.yaml").write_text("train: images\nval: images\nnames: [hen]\n")
    found = prepare(str(root), tmp_path / "run")
    train, val = ({record.path.name for record in read_data(text).records} for text in (found.train, found.val))
    assert train
    assert val
    assert not train & val
    assert "val holds no picture that is its own" in found.told


def test_labels_in_another_format_are_told(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        picture(tmp_path / "JPEGImages" / f"{name}.png", number)
        xml(tmp_path / "Annotations" / f"{name}.xml", name)
        picture(tmp_path / "images" / f"{name}.png", number)
        yolo(tmp_path / "labels" / f"{name}.txt")
    (tmp_path / "data.yaml").write_text("names: [hen]\ntrain: images\n")
    prepared = prepare(str(tmp_path), tmp_path / "run")
    assert prepared.layout == "YOLO"
    assert f"labels in another format are there too and are not read: voc:{tmp_path}@all" in prepared.told
