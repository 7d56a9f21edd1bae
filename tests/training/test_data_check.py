"""``data check``: every fault planted and expected by its name, and the repaired copy clean."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.commands.cli import run
from edgessd.errors import DataError, InputError
from edgessd_training.data.check import check
from edgessd_training.data.images import decode_image, image_size_hw, read_image
from edgessd_training.data.read import read_data
from edgessd_training.data.repair import repair
from edgessd_training.data.source import parse_source

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def paint(path, seed, height=30, width=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.RandomState(seed).randint(0, 255, (height, width, 3), np.uint8))


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def findings(*texts, labels=None):
    """Return {kind: [what was found]} of all splits."""
    kinds = {}
    for checked in check([parse_source(text) for text in texts], labels):
        for fault in checked.faults:
            kinds.setdefault(fault.kind, []).append(f"{fault.where}: {fault.detail}")
    return kinds


def copied(texts, folder):
    """Return the texts of the repaired copy."""
    return [copy.source for copy in repair(check([parse_source(text) for text in texts]), folder)]


def voc_object(label, *edges):
    box = "".join(f"<{n}>{v}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True))
    return f"<object><name>{label}</name><pose>Left</pose><bndbox>{box}</bndbox></object>"


@pytest.fixture
def voc(tmp_path):
    """A VOC set with a split val of sound images and the function that adds one more."""
    root = tmp_path / "voc"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)

    def add(name, *objects, split="val", seed=None, suffix=".jpg", size=(30, 40)):
        body = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{body}{''.join(objects)}</annotation>")
        paint(root / "JPEGImages" / f"{name}{suffix}", seed if seed is not None else len(name) + sum(map(ord, name)))
        with (root / "ImageSets" / "Main" / f"{split}.txt").open("a") as file:
            file.write(f"{name}\n")
        return root / "JPEGImages" / f"{name}{suffix}"

    add("good", voc_object("cat", 1, 1, 40, 30))
    return root, add


def test_a_clean_set_has_no_findings(voc):
    root, _ = voc
    assert findings(f"voc:{root}@val") == {}


@pytest.mark.parametrize(
    ("edges", "kind"),
    [
        ((5, 5, 50, 9), "box outside"),
        ((-9, 5, 20, 9), "box outside"),
        ((0, 1, 9, 9), "box over the edge"),
        ((9, 5, 5, 9), "inverted box"),
        ((5, 9, 9, 5), "inverted box"),
        ((5, 5, 5, 5), "empty box"),
        ((5, 5, 5, 9), "zero-area box"),
        ((5, 5, "", 9), "damaged box"),
        ((5, 5, "inf", 9), "damaged box"),
    ],
)
def test_boxes(voc, edges, kind):
    root, add = voc
    add("bad", voc_object("cat", 2, 2, 8, 8), voc_object("cat", *edges))
    found = findings(f"voc:{root}@val")
    assert list(found) == [kind]
    assert found[kind][0].startswith("bad.jpg, box 2 (cat): ")


def test_duplicated_boxes_and_unknown_labels(voc):
    root, add = voc
    add("twice", voc_object("cat", 2, 2, 8, 8), voc_object("dog", 2, 2, 8, 8), voc_object("cat", 2, 2, 8, 8))
    assert list(findings(f"voc:{root}@val")) == ["duplicated box"]
    assert set(findings(f"voc:{root}@val", labels=["cat"])) == {"duplicated box", "unknown label"}
    add("nameless", voc_object("", 2, 2, 8, 8))
    assert "has no label" in findings(f"voc:{root}@val")["unknown label"][0]


def test_image_files(voc):
    root, add = voc
    box = voc_object("cat", 2, 2, 8, 8)
    cut(add("cut_jpeg", box))
    cut(add("cut_png", box, suffix=".png"))
    cut(add("cut_webp", box, suffix=".webp"))
    flipped = add("flipped_png", box, suffix=".png")
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 0xFF
    flipped.write_bytes(content)
    add("text", box).write_text("no image")
    add("empty", box).write_bytes(b"")
    add("gone", box).unlink()
    paint(add("resized", box), 5, height=40, width=30)
    found = findings(f"voc:{root}@val")
    names = {kind: [text.split(":")[0] for text in texts] for kind, texts in found.items()}
    assert names == {
        "truncated image": ["cut_jpeg.jpg", "cut_png.png", "cut_webp.webp", "flipped_png.png"],
        "broken image": ["text.jpg", "empty.jpg"],
        "missing image": ["gone.jpg"],
        "size differs": ["resized.jpg"],
    }
    assert "30x40 pixels, the annotation says 40x30" in found["size differs"][0]


def test_annotations(voc):
    root, add = voc
    box = voc_object("cat", 2, 2, 8, 8)
    add("sizeless", box, size=None)
    add("bare")
    for name in ("torn", "entity", "lost"):
        add(name)
    (root / "Annotations" / "torn.xml").write_text("<annotation><object>")
    (root / "Annotations" / "entity.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
    (root / "Annotations" / "lost.xml").unlink()
    with (root / "ImageSets" / "Main" / "val.txt").open("a") as file:
        file.write("good\n../good\n")
    found = findings(f"voc:{root}@val")
    assert {kind: len(texts) for kind, texts in found.items()} == {
        "broken annotation": 2,
        "missing annotation": 1,
        "listed twice": 1,
        "unsafe path": 1,
        "size missing": 1,
        "image without boxes": 1,
    }


def test_the_same_image_in_two_splits_is_found_by_its_pixels(voc):
    root, add = voc
    box = voc_object("cat", 2, 2, 8, 8)
    first = add("first", box, split="train", seed=1, suffix=".png")
    image = cv2.imread(str(first))
    cv2.imwrite(str(add("copy", box, suffix=".bmp")), image)  # other bytes, other format, the same pixels
    add("again", box, split="train", seed=1, suffix=".png")
    found = findings(f"voc:{root}@train", f"voc:{root}@val")
    assert {kind: len(texts) for kind, texts in found.items()} == {
        "same image in two splits": 1,
        "same image twice": 1,
    }
    assert found["same image in two splits"][0].startswith("copy.bmp: the same pixels as first.png of voc:")
    assert findings(f"voc:{root}@val") == {}


def coco_set(tmp_path):
    """Write a COCO set with one fault of each kind that only COCO has, and boxes wrong in COCO's way."""
    for number in (1, 2, 3):
        paint(tmp_path / "images" / f"{number}.png", number)
    images = [{"id": n, "file_name": f"{n}.png", "height": 30, "width": 40} for n in (1, 2, 3)]
    images += [{"id": 4, "file_name": "../4.png", "height": 30, "width": 40}, {"id": 1, "file_name": "3.png"}, "what"]
    boxes = [
        (1, 1, [1, 1, 10, 10]),
        (1, 1, [1, 1, 10, 10]),
        (1, 3, [35, 20, 20, 20]),
        (1, 3, [60, 20, 20, 20]),
        (2, 9, [1, 1, 10, 10]),
        (2, 3, [5, 5, -2, 3]),
        (2, 3, [5, 5, 0, 3]),
        (2, 3, [5, 5, 0, 0]),
        (2, 3, "box"),
        (77, 3, [5, 5, 5, 5]),
    ]
    annotations = [
        {"id": index, "image_id": image, "category_id": category, "bbox": box, "area": 99.5, "note": "kept"}
        for index, (image, category, box) in enumerate(boxes)
    ]
    content = {
        "info": {"year": 2026},
        "images": images,
        "annotations": [*annotations, "what"],
        "categories": [{"id": 1, "name": "cat"}, {"id": 3, "name": "dog"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return f"coco:{path}@{tmp_path}/images"


def test_coco_faults_and_the_repaired_copy(tmp_path):
    text = coco_set(tmp_path)
    found = findings(text)
    assert {kind: len(texts) for kind, texts in found.items()} == {
        "category-id gap": 1,
        "broken annotation": 2,
        "unsafe path": 1,
        "listed twice": 1,
        "unknown image": 1,
        "duplicated box": 1,
        "box outside": 2,
        "unknown label": 1,
        "inverted box": 1,
        "zero-area box": 1,
        "empty box": 1,
        "damaged box": 1,
        "image without boxes": 1,
    }
    assert "leave out 2" in found["category-id gap"][0]
    (copy,) = copied([text], tmp_path / "fixed")
    assert set(findings(copy)) == {"category-id gap"}
    data = read_data(copy)
    assert [record.file_name for record in data.records] == [
        "1.png"
    ]  # all objects of 2 are lost, and one of an unknown image may be of 3
    assert data.records[0].boxes_xyxy.tolist() == [[1, 1, 11, 11], [35, 20, 40, 30]]
    assert data.records[0].areas.tolist() == [99.5, 50]
    content = json.loads((tmp_path / "fixed" / "instances.json").read_text())
    assert content["info"] == {"year": 2026}
    assert all(entry["note"] == "kept" for entry in content["annotations"])


def test_yolo_faults_and_the_repaired_copy(tmp_path):
    for number in range(5):
        paint(tmp_path / "images" / "val" / f"{number}.png", number)
    lines = ["0 .5 .5 .2 .2", "0 .9 .5 .4 .2", "7 .5 .5 .2 .2", "0 .5 .5 0 .2", "0 .5", "0 0 0 .2 0 .2 .3"]
    lines += ["0 .5 .5 -.2 .2", "0 .5 .5 0 0", "0 .5 x .1 .1", "0 .5 .5 .2 .2"]
    labels = tmp_path / "labels" / "val"
    labels.mkdir(parents=True)
    (labels / "0.txt").write_text("\n".join(lines))
    (labels / "1.txt").write_text("0 .5 .5 1 1\n")
    for number in (2, 3):
        (labels / f"{number}.txt").write_text("0 .5 .5 .2 .2\n")
    cut(tmp_path / "images" / "val" / "2.png")
    (tmp_path / "images" / "val" / "3.png").write_text("no image")
    (tmp_path / "list.txt").write_text("./images/val/gone.png\n")
    (tmp_path / "data.yaml").write_text("names: {0: cat}\nval: [images/val, list.txt]\ntest: images/val/1.png\n")
    text = f"yolo:{tmp_path}/data.yaml@val"
    found = findings(text)
    assert {kind: len(texts) for kind, texts in found.items()} == {
        "broken annotation": 1,
        "broken image": 1,
        "missing image": 1,
        "truncated image": 1,
        "box outside": 1,
        "unknown label": 1,
        "zero-area box": 1,
        "inverted box": 1,
        "empty box": 1,
        "damaged box": 1,
        "duplicated box": 1,
        "image without boxes": 1,
    }
    (copy,) = copied([text], tmp_path / "fixed")
    assert set(findings(copy)) == {"image without boxes"}
    # Image 0 has a line that nobody can read: an object of it is unknown.
    first, second = read_data(copy).records
    assert (first.boxes_xyxy.tolist(), second.file_name) == ([[0, 0, 40, 30]], "images/val/4.png")


def test_the_repaired_voc_copy_is_clean_and_the_source_untouched(voc, tmp_path):
    root, add = voc
    add("mixed", voc_object("cat", 2, 2, 8, 8), voc_object("cat", 30, 20, 60, 50), voc_object("dog", 5, 5, 5, 5))
    add("sizeless", voc_object("dog", 0, 1, 9, 9), size=None)
    cut(add("cut", voc_object("dog", 1, 1, 9, 9)))
    add("leaked", voc_object("dog", 1, 1, 9, 9), seed=3, suffix=".png")
    add("train1", voc_object("dog", 1, 1, 9, 9), seed=3, suffix=".png", split="train")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    copies = copied([f"voc:{root}@train", f"voc:{root}@val"], tmp_path / "fixed")
    assert copies == [f"voc:{tmp_path}/fixed@train", f"voc:{tmp_path}/fixed@val"]
    assert findings(*copies) == {}
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    records = read_data(copies[1]).records
    assert [record.file_name for record in records] == ["good.jpg", "mixed.jpg", "sizeless.jpg"]
    assert records[1].boxes_xyxy.tolist() == [[1, 1, 8, 8], [29, 19, 40, 30]]
    assert records[2].boxes_xyxy.tolist() == [[0, 0, 9, 9]]
    text = (tmp_path / "fixed" / "Annotations" / "mixed.xml").read_text()
    assert "<pose>Left</pose>" in text
    assert "<xmax>40</xmax>" in text


def test_a_copy_goes_into_a_new_or_empty_folder_only(voc, tmp_path):
    root, _ = voc
    checked = check([parse_source(f"voc:{root}@val")])
    with pytest.raises(InputError, match="new or empty folder"):
        repair(checked, root)
    with pytest.raises(InputError, match="does not exist"):
        repair(checked, tmp_path / "no" / "where")
    (tmp_path / "empty").mkdir()
    repair(checked, tmp_path / "empty")
    shutil.copytree(root, tmp_path / "other")
    both = check([parse_source(f"voc:{root}@val"), parse_source(f"voc:{tmp_path}/other@val")])
    with pytest.raises(InputError, match="splits of one data set"):
        repair(both, tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_the_command_prints_writes_and_exits_honestly(voc, tmp_path, capfd):
    root, add = voc
    report = tmp_path / "report.json"
    assert run(["data", "check", f"voc:{root}@val", "--json", str(report)]) == 0
    assert json.loads(report.read_text())["errors"] == 0
    add("bare")
    assert run(["data", "check", f"voc:{root}@val"]) == 0
    assert "image without boxes (note)" in capfd.readouterr().out
    add("bad", voc_object("[cat]", 9, 5, 5, 9))
    command = ["data", "check", f"voc:{root}@val", "--json", str(report), "--fix", str(tmp_path / "fixed")]
    assert run(command) == 1
    output = capfd.readouterr().out
    assert "inverted box" in output
    assert "1 errors, 1 notes" in output
    content = json.loads(report.read_text())
    assert content["errors"] == 1
    assert content["data"][0]["labels"] == {"cat": 1, "[cat]": 1}
    assert [finding["kind"] for finding in content["data"][0]["findings"]] == ["image without boxes", "inverted box"]
    assert content["repaired"][0]["boxes_dropped"] == 1
    assert run(["data", "check", content["repaired"][0]["source"]]) == 0
    assert run(command) == 2  # the folder is taken now
    assert "new or empty folder" in capfd.readouterr().err
    (tmp_path / "labels.txt").write_text("dog\n")
    assert run(["data", "check", f"voc:{root}@val", "--labels", str(tmp_path / "labels.txt")]) == 1
    assert run(["data", "check", f"voc:{root}@gone"]) == 2
    assert run(["data", "check"]) == 2


def test_bccd_names_its_two_odd_boxes():
    if not SHARED.is_dir():
        pytest.skip("needs the shared test data, which only the developers' checkouts have")
    found = findings(*[f"voc:{SHARED}/bccd/BCCD@{split}" for split in ("train", "val", "test")])
    assert list(found) == ["empty box"]
    names = sorted(text.split(":")[0] for text in found["empty box"])
    assert names == ["BloodImage_00338.jpg, box 13 (RBC)", "BloodImage_00343.jpg, box 4 (RBC)"]


def jpeg_with_orientation(path, value, order):
    paint(path, 1)
    content = path.read_bytes()
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IHHHIHH", 8, 1, 0x0112, 3, 1, value, 0)
    segment = b"Exif\0\0" + tiff
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:])


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_header_says_the_size_that_decoding_gives(tmp_path, order):
    for value, size_hw in ((1, (30, 40)), (3, (30, 40)), (6, (40, 30)), (8, (40, 30))):
        path = tmp_path / f"{value}.jpg"
        jpeg_with_orientation(path, value, order)
        assert image_size_hw(path) == read_image(path).shape[:2] == size_hw
    for suffix in (".png", ".bmp", ".webp"):
        paint(tmp_path / f"x{suffix}", 1)
        assert image_size_hw(tmp_path / f"x{suffix}") == (30, 40)


def test_huge_and_missing_images_are_refused(tmp_path):
    path = tmp_path / "huge.png"
    paint(path, 1)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(DataError, match=r"cut off.*checksum"):
        decode_image(bytes(content), path)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    with pytest.raises(DataError, match="at most 67,108,864 pixels"):
        decode_image(bytes(content), path)
    with pytest.raises(DataError, match="cannot read the image"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(DataError, match="cannot read the image"):
        image_size_hw(tmp_path / "gone.png")
