"""VOC, COCO, YOLO, label files, DETECTIONS and recipes, mutated: read, checked and repaired, or refused in one line."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mutate import mutated
from mutate_json import mutated_json
from mutate_tokens import mutated_tokens
from servers.numbered import numbered_frame
from tally import CASES, tally

from edgessd.errors import EdgessdError

cv2 = pytest.importorskip("cv2")
pytest.importorskip("defusedxml")
read = pytest.importorskip("edgessd_training.data.read")

from edgessd_training.data.check import check  # noqa: E402
from edgessd_training.data.repair import repair  # noqa: E402
from edgessd_training.data.source import parse_source  # noqa: E402
from edgessd_training.metrics.detections_file import from_rows, read_rows  # noqa: E402
from edgessd_training.recipe_file import SHIPPED, read_recipe  # noqa: E402

REPAIRED = 16  # one of so many is repaired, too: a copy of files takes longest
NAMES = ("a", "b")
XML = """<?xml version="1.0" encoding="utf-8"?>
<annotation>
  <filename>a.png</filename>
  <size><width>64</width><height>48</height><depth>3</depth></size>
  <object><name>cat</name><difficult>0</difficult>
    <bndbox><xmin>2</xmin><ymin>3</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object>
  <object><name>dog</name><difficult>1</difficult>
    <bndbox><xmin>5.5</xmin><ymin>7</ymin><xmax>60</xmax><ymax>40</ymax></bndbox></object>
</annotation>
"""
YAML = "path: .\ntrain: images\nval:\n  - images\ntest: lists.txt\nnames:\n  0: cat\n  1: dog\nnc: 2\n"
LINES = "0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.3 0.1 0.3 0.3\n"
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}, {"id": 7, "file_name": "b.png"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 10], "area": 200, "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [5.5, 6, 7, 8.25], "iscrowd": 1, "segmentation": [[1, 2]]},
    ],
    "categories": [{"id": 1, "name": "cat", "supercategory": "none"}, {"id": 3, "name": "dog"}],
}
ROWS = [
    {"file_name": "a.png", "label": "cat", "bbox": [2, 3, 20, 10], "score": 0.9},
    {"file_name": "b.png", "label": "dog", "bbox": [5.5, 6, 7, 8.25], "score": 0.125},
]


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for index, name in enumerate(NAMES):
        cv2.imwrite(str(folder / f"{name}.png"), numbered_frame(index)[:48, :64])


def voc_set(root: Path) -> None:
    write_images(root / "JPEGImages")
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name in NAMES:
        (root / "Annotations" / f"{name}.xml").write_text(XML.replace("a.png", f"{name}.png"))
    (root / "ImageSets" / "Main" / "train.txt").write_text("a\nb 1\n")


def yolo_set(root: Path) -> None:
    write_images(root / "images")
    (root / "labels").mkdir()
    for name in NAMES:
        (root / "labels" / f"{name}.txt").write_text(LINES)
    (root / "lists.txt").write_text("./images/b.png\n")
    (root / "data.yaml").write_text(YAML)


def coco_set(root: Path) -> None:
    write_images(root / "images")
    (root / "a.json").write_text(json.dumps(COCO))


def use(text: str, copy: Path, seed: int) -> None:
    """Read and check a data set; repair some of them, and read the copy, which must then be sound."""
    source = parse_source(text)
    checked = check([source], readers=1)
    if seed % REPAIRED == 0:
        shutil.rmtree(copy, ignore_errors=True)
        repaired = repair(checked, copy)
        assert not check([parse_source(repaired[0].source)], readers=1)[0].errors
    read.read_data(text)


@pytest.mark.parametrize(
    ("make", "text", "changed"),
    [
        (voc_set, "voc:{root}@train", "Annotations/a.xml"),
        (voc_set, "voc:{root}@train", "ImageSets/Main/train.txt"),
        (yolo_set, "yolo:{root}/data.yaml@val", "data.yaml"),
        (yolo_set, "yolo:{root}/data.yaml@train", "labels/a.txt"),
        (yolo_set, "yolo:{root}/data.yaml@test", "lists.txt"),
    ],
)
def test_data_sets(make: Callable[[Path], None], text: str, changed: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    make(root)
    path, text = root / changed, text.format(root=root)
    whole = path.read_text()
    with tally(f"{text.partition(':')[0]} {changed.rpartition('/')[2]}") as counted:
        for seed in range(CASES):
            path.write_bytes(mutated_tokens(whole, random.Random(seed)))
            with counted.case(seed):
                use(text, tmp_path / "copy", seed)
    assert counted.refused < CASES


def test_coco(tmp_path: Path) -> None:
    root = tmp_path / "data"
    coco_set(root)
    with tally("coco a.json") as counted:
        for seed in range(CASES):
            content = mutated_json(COCO, random.Random(seed))
            (root / "a.json").write_bytes(content.encode(errors="surrogatepass"))
            with counted.case(seed):
                use(f"coco:{root}/a.json@{root}/images", tmp_path / "copy", seed)
    assert counted.refused < CASES


def test_detections(tmp_path: Path) -> None:
    coco_set(tmp_path / "data")
    data = read.read_data(f"coco:{tmp_path}/data/a.json@{tmp_path}/data/images")
    path = tmp_path / "d.json"
    with tally("DETECTIONS") as counted:
        for seed in range(CASES):
            path.write_bytes(mutated_json(ROWS, random.Random(seed)).encode(errors="surrogatepass"))
            with counted.case(seed):
                from_rows(data, read_rows(path))
    assert counted.refused < CASES


def test_recipes(tmp_path: Path) -> None:
    path, shipped = tmp_path / "r.toml", sorted(SHIPPED.glob("*.toml"))
    with tally("recipes") as counted:
        for seed in range(CASES):
            rng = random.Random(seed)
            path.write_bytes(mutated(rng.choice(shipped).read_text(), rng))
            with counted.case(seed):
                read_recipe(path)
    assert counted.refused < CASES


def test_changes_of_a_recipe() -> None:
    """What stands behind --set."""
    path = sorted(SHIPPED.glob("*.toml"))[0]
    with tally("changes of a recipe") as counted:
        for seed in range(CASES):
            rng = random.Random(seed)
            change = mutated_tokens(
                rng.choice(("optimizer.lr=0.01", "name=x", "augment.multi_scale=[[300, 300]]")), rng
            )
            with counted.case(seed):
                read_recipe(path, [change.decode(errors="surrogateescape")])


def test_what_is_refused_is_named() -> None:
    with pytest.raises(EdgessdError):
        parse_source("voc:\0@x")
