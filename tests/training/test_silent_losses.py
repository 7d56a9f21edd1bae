"""What a reader could lose in silence: boxes where nobody looks, keys that come twice, links, other spellings."""

import json
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.commands.cli import run
from edgessd.errors import DataError, InputError
from edgessd.util.bounded_json import parse_json
from edgessd_training.data.check import check
from edgessd_training.data.images import decode_image, image_size_hw, read_image
from edgessd_training.data.prepare import prepare
from edgessd_training.data.read import read_data
from edgessd_training.data.repair import repair
from edgessd_training.data.source import parse_source
from edgessd_training.metrics.labels import read_label_map

BOX = "<bndbox><xmin>9</xmin><ymin>7</ymin><xmax>20</xmax><ymax>15</ymax></bndbox>"
OBJECT = f"<object><name>hen</name>{BOX}</object>"
SIZE = "<size><width>40</width><height>30</height></size>"
LINE = "0 0.5 0.5 0.5 0.5\n"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "b\xe4r") for form in ("NFC", "NFD"))


def paint(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.RandomState(seed).randint(0, 255, (30, 40, 3), np.uint8)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())  # imwrite crashes on a name that is not UTF-8
    return path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def voc(root: Path, xml: str, name: str = "a", image: str = "a") -> str:
    paint(root / "JPEGImages" / f"{image}.jpg")
    write(root / "Annotations" / f"{name}.xml", xml)
    return f"voc:{root}@all"


def yolo(root: Path, text: str = "names: [hen, cow]\ntrain: images\n", count: int = 1) -> str:
    for index in range(count):
        paint(root / "images" / f"{index}.jpg", index)
        write(root / "labels" / f"{index}.txt", LINE)
    write(root / "data.yaml", text)
    return f"yolo:{root}/data.yaml@train"


def coco(root: Path, *, name: str = "a.json", count: int = 1, **changes: object) -> str:
    for index in range(count):
        paint(root / "images" / f"{index}.jpg", index)
    content = {
        "images": [{"id": key, "file_name": f"{key}.jpg", "height": 30, "width": 40} for key in range(count)],
        "annotations": [{"image_id": key, "category_id": 1, "bbox": [1, 1, 9, 9]} for key in range(count)],
        "categories": [{"id": 1, "name": "hen"}],
        **changes,
    }
    write(root / name, json.dumps(content))
    return f"coco:{root}/{name}@{root}/images"


def kinds(text: str) -> dict[str, str]:
    (checked,) = check([parse_source(text)])
    return {fault.kind: f"{fault.where}: {fault.detail}" for fault in checked.faults}


def boxes(text: str) -> list[int]:
    return [len(record.classes) for record in read_data(text).records]


def test_a_namespace_hides_no_object(tmp_path: Path) -> None:
    text = voc(tmp_path, f'<annotation xmlns="http://a.b/c">{SIZE}{OBJECT}</annotation>')
    record = read_data(text).records[0]
    assert (record.width, record.boxes_xyxy.tolist()) == (40, [[8, 6, 20, 15]])


@pytest.mark.parametrize(
    "xml",
    [
        f"<annotation>{SIZE}<objects>{OBJECT}</objects></annotation>",
        f"<annotation>{SIZE}{OBJECT.replace('object', 'Object')}</annotation>",
        f"<annotation>{SIZE}<object><name>hen</name>{BOX}{BOX}</object></annotation>",
        f"<annotation>{SIZE}{OBJECT}{BOX}</annotation>",
        '<annotations><image name="a.jpg"><box label="hen" xtl="1" ytl="1" xbr="9" ybr="9"/></image></annotations>',
    ],
)
def test_objects_where_voc_has_none_are_no_background(tmp_path: Path, xml: str) -> None:
    assert "broken annotation" in kinds(voc(tmp_path, xml))


def test_parts_of_an_object_stay_its_own(tmp_path: Path) -> None:
    part = f"<part><name>head</name>{BOX}</part>"
    assert boxes(voc(tmp_path, f"<annotation>{SIZE}<object><name>man</name>{part}{BOX}</object></annotation>")) == [1]


def test_all_takes_subfolders_and_capital_suffixes(tmp_path: Path) -> None:
    xml = f"<annotation>{SIZE}{OBJECT}</annotation>"
    voc(tmp_path, xml, "day 1/a", "day 1/a")
    text = voc(tmp_path, xml)
    (tmp_path / "Annotations" / "a.xml").rename(tmp_path / "Annotations" / "a.XML")
    assert [record.file_name for record in read_data(text).records] == ["a.jpg", "day 1/a.jpg"]


def test_an_image_without_an_annotation_is_told(tmp_path: Path) -> None:
    text = voc(tmp_path, f"<annotation>{SIZE}{OBJECT}</annotation>")
    paint(tmp_path / "JPEGImages" / "b.jpg")
    assert "b.jpg: an image without an annotation" in kinds(text)["not read"]


def test_of_two_images_of_one_id_the_annotation_s_own_is_read(tmp_path: Path) -> None:
    text = voc(tmp_path, f"<annotation><filename>a.png</filename>{SIZE}{OBJECT}</annotation>")
    paint(tmp_path / "JPEGImages" / "a.png")
    assert read_data(text).records[0].file_name == "a.png"


@pytest.mark.parametrize(("on_disk", "in_file"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_an_accent_is_one_or_two_characters(tmp_path: Path, on_disk: str, in_file: str) -> None:
    xml = f"<annotation><filename>{in_file}.jpg</filename>{SIZE}{OBJECT}</annotation>"
    assert boxes(voc(tmp_path / "voc", xml, in_file, on_disk)) == [1]
    write(tmp_path / "voc" / "ImageSets" / "Main" / "train.txt", on_disk)
    assert boxes(f"voc:{tmp_path}/voc@train") == [1]
    images = [{"id": 0, "file_name": f"{in_file}.jpg", "height": 30, "width": 40}]
    paint(tmp_path / "coco" / "images" / f"{on_disk}.jpg")
    assert boxes(coco(tmp_path / "coco", images=images)) == [1]
    text = yolo(tmp_path / "yolo", count=0)
    paint(tmp_path / "yolo" / "images" / f"{on_disk}.jpg")
    write(tmp_path / "yolo" / "labels" / f"{in_file}.txt", LINE)
    assert boxes(text) == [1]


def test_labels_lie_beside_a_link_to_the_images(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere" / "pictures" / "0.jpg")
    text = yolo(tmp_path / "set", count=0)
    write(tmp_path / "set" / "labels" / "0.txt", LINE)
    (tmp_path / "set" / "images").symlink_to(tmp_path / "elsewhere" / "pictures")
    assert boxes(text) == [1]
    write(tmp_path / "set" / "list.txt", "images/0.jpg\n")
    write(tmp_path / "set" / "data.yaml", "names: [hen]\ntrain: list.txt\n")
    assert boxes(text) == [1]


def test_a_list_that_names_its_folder_through_a_link(tmp_path: Path) -> None:
    text = yolo(tmp_path / "set", "names: [hen]\ntrain: list.txt\n")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    write(tmp_path / "set" / "list.txt", f"{tmp_path}/link/images/0.jpg\n")
    assert boxes(text) == [1]


def test_folders_in_capitals(tmp_path: Path) -> None:
    text = yolo(tmp_path, "names: [hen]\ntrain: Images\n")
    for name in ("images", "labels"):
        (tmp_path / name).rename(tmp_path / name.title())
    assert boxes(text) == [1]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("names: {0: hen, 0: cow}", "says 0 twice"),
        ("names: [hen]\nnames: [cow]", "says names twice"),
        ("nc: 3\nnames: [hen, cow]", "says nc: 3 and has 2 names"),
        ('names: [hen, "hen "]', "names must differ"),
    ],
)
def test_names_that_contradict_each_other(tmp_path: Path, names: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_data(yolo(tmp_path, f"{names}\ntrain: images\n"))


def test_a_list_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = coco(tmp_path)
    path = tmp_path / "a.json"
    path.write_text(path.read_text()[:-1] + ', "annotations": []}')
    with pytest.raises(DataError, match="the list 'annotations' twice"):
        read_data(text)
    with pytest.raises(InputError, match="a key comes twice"):
        parse_json('{"labels": ["a"], "labels": ["b"]}')


def test_a_file_of_two_ids(tmp_path: Path) -> None:
    images = [{"id": key, "file_name": "0.jpg", "height": 30, "width": 40} for key in (0, 1)]
    shared = [{"image_id": key, "category_id": 1, "bbox": [1, 1, 9, 9]} for key in (0, 1)]
    text = coco(tmp_path, images=images, annotations=shared)
    assert "the image ids 0 and 1 name this file" in kinds(text)["listed twice"]
    (copy,) = repair(check([parse_source(text)]), tmp_path / "same")
    assert copy.images == 1
    shared[1]["bbox"] = [20, 10, 9, 9]
    text = coco(tmp_path, images=images, annotations=shared)
    assert "with other boxes" in kinds(text)["listed twice"]
    (copy,) = repair(check([parse_source(text)]), tmp_path / "other")
    assert copy.images == 0  # with half of its objects it would teach that the others are none


def test_ids_of_a_table_are_whole_numbers(tmp_path: Path) -> None:
    image = {"id": 1.0, "file_name": "0.jpg", "height": 30.0, "width": 40.0}
    entry = {"image_id": 1.0, "category_id": 1.0, "bbox": [1, 1, 9, 9]}
    assert boxes(coco(tmp_path, images=[image], annotations=[entry])) == [1]
    assert "got" in kinds(coco(tmp_path, images=[image], annotations=[entry | {"image_id": 1.5}]))["broken annotation"]


def test_names_are_stripped_and_may_be_nought(tmp_path: Path) -> None:
    assert read_data(coco(tmp_path, categories=[{"id": 1, "name": 0}, {"id": 2, "name": " cow "}])).labels == (
        "0",
        "cow",
    )
    with pytest.raises(DataError, match="a name"):
        read_data(coco(tmp_path, categories=[{"id": 1, "name": " "}]))


def test_labels_that_capitals_tell_apart_are_told(tmp_path: Path) -> None:
    found = kinds(yolo(tmp_path, "names: [hen, Hen, cow]\ntrain: images\n"))
    assert found["labels alike"].startswith("'hen', 'Hen'")


def test_fractions_are_no_pixels(tmp_path: Path) -> None:
    fractions = BOX.replace("9", ".1").replace("7", ".1").replace("20", ".5").replace("15", "1")
    found = kinds(voc(tmp_path, f"<annotation>{SIZE}<object><name>hen</name>{fractions}</object></annotation>"))
    assert "box in the first pixel" in found
    entry = {"image_id": 0, "category_id": 1}
    assert "box in the first pixel" in kinds(coco(tmp_path, annotations=[entry | {"bbox": [0.1, 0.1, 0.5, 0.9]}]))
    assert "box in the first pixel" not in kinds(coco(tmp_path, annotations=[entry | {"bbox": [0, 0, 1, 1]}]))
    assert "damaged box" in kinds(coco(tmp_path, annotations=[entry | {"bbox": [0, 0, 1e300, 1e300]}]))


def exif_webp(path: Path, turn: int) -> bytes:
    """Return a WebP with an EXIF orientation behind its pixels."""
    image = pytest.importorskip("PIL.Image")
    exif = image.Exif()
    exif[0x0112] = turn
    image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path, exif=exif)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".webp", ".tif", ".jpg"])
@pytest.mark.parametrize("turn", [0, 1, 3, 6, 9])
def test_a_turned_image_has_the_size_of_its_pixels(tmp_path: Path, suffix: str, turn: int) -> None:
    text = yolo(tmp_path, count=0)
    path = tmp_path / "images" / f"a{suffix}"
    path.parent.mkdir(exist_ok=True)
    if suffix == ".tif":
        image = pytest.importorskip("PIL.Image")
        image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path, tiffinfo={0x0112: turn})
    else:
        exif_webp(path, turn)
    assert image_size_hw(path) == read_image(path).shape[:2]
    assert ("turned by EXIF" in kinds(text)) == (turn in (3, 6))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC .*: convert it to JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"", "it is empty"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        decode_image(content, Path("a.jpg"))


def refused(root: Path, words: str) -> None:
    with pytest.raises(DataError, match=words):
        prepare(str(root), root.parent / "run")


def two_files(root: Path) -> None:
    coco(root, name="part1.json", count=6)
    coco(root, name="part2.json", count=5)


def two_yaml_files(root: Path) -> None:
    yolo(root, count=6)
    write(root / "old.yaml", "names: [x, y]\ntrain: images\n")


def no_training_split(root: Path) -> None:
    coco(root, name="val.json", count=6)
    coco(root, name="test.json", count=5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_files, r"more than one description of its images: part1\.json, part2\.json"),
        (two_yaml_files, r"more than one description of its images: data\.yaml, old\.yaml"),
        (no_training_split, "the splits test, val and none for training"),
    ],
)
def test_of_two_descriptions_none_is_chosen(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    make(tmp_path / "set")
    refused(tmp_path / "set", words)


def test_a_label_of_val_alone_is_told(tmp_path: Path) -> None:
    coco(tmp_path / "set", name="train.json", count=6)
    categories = [{"id": 1, "name": "cow"}]
    images = [{"id": 9, "file_name": "9.jpg", "height": 30, "width": 40}]
    paint(tmp_path / "set" / "images" / "9.jpg", 9)
    boxes_of_val = [{"image_id": 9, "category_id": 1, "bbox": [1, 1, 9, 9]}]
    coco(tmp_path / "set", name="val.json", images=images, annotations=boxes_of_val, categories=categories)
    told = prepare(str(tmp_path / "set"), tmp_path / "run").told
    assert any("their boxes are left out: cow (1)" in line for line in told)


def test_names_of_no_encoding_are_held_out_too(tmp_path: Path) -> None:
    yolo(tmp_path / "set", count=6)
    for name in ("images", "labels"):
        for path in (tmp_path / "set" / name).glob("0.*"):
            path.rename(path.with_name(f"k\udcf6ter{path.suffix}"))
    found = prepare(str(tmp_path / "set"), tmp_path / "run")
    assert sum(len(read_data(text).records) for text in (found.train, found.val)) == 6


def test_names_in_the_folder_of_labels(tmp_path: Path) -> None:
    yolo(tmp_path / "set", count=6)
    (tmp_path / "set" / "data.yaml").unlink()
    write(tmp_path / "set" / "labels" / "classes.txt", "hen\n")
    found = prepare(str(tmp_path / "set"), tmp_path / "run")
    assert sum(boxes(found.train)) + sum(boxes(found.val)) == 6


def test_a_zip_of_windows_and_an_encrypted_one(tmp_path: Path) -> None:
    yolo(tmp_path / "set", count=6)
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted(path for path in (tmp_path / "set").rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo("x")
            entry.filename = str(path.relative_to(tmp_path)).replace("/", "\\")
            content.writestr(entry, path.read_bytes())
    assert sum(boxes(prepare(str(archive), tmp_path / "run").train)) > 0
    locked = bytearray(archive.read_bytes())
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(locked)
    refused(archive, "is encrypted: unpack it yourself")


def test_a_check_of_nothing_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = yolo(tmp_path, count=0)
    (tmp_path / "images").mkdir()
    assert run(["data", "check", text]) == 2
    assert "list no image" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "k\udcf6ter", "a "])
def test_a_copy_s_list_holds_every_name_or_is_refused(tmp_path: Path, name: str) -> None:
    xml = f"<annotation>{SIZE}{OBJECT}</annotation>"
    text = voc(tmp_path / "voc", xml, name, name)
    assert boxes(text) == [1]
    with pytest.raises(InputError, match="list of images cannot hold"):
        repair(check([parse_source(text)]), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"red": "hen", "red": null}', "the label map .*a key comes twice"),
        ('{"red": "hen", "blue": "K\xf6ter"}'.encode("latin-1"), "not text in utf-8"),
        (b'{"red"', "the label map .*not JSON at character 6"),
    ],
)
def test_a_label_map_loses_no_pair_in_silence(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "map.json").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_label_map(str(tmp_path / "map.json"))
