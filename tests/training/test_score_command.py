"""``score``: a detections file from anywhere against each of the three formats, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from edgessd.commands.cli import run

ROWS = [
    {"file_name": "a.png", "label": "cat", "bbox": [0, 0, 10, 10], "score": 0.9},
    {"file_name": "a.png", "label": "cat", "bbox": [30, 20, 5, 5], "score": 0.8},
    {"file_name": "b.png", "label": "dog", "bbox": [10, 5, 20, 20], "score": 1},
]
BOXES = {"a.png": [("cat", [0, 0, 10, 10]), ("cat", [20, 0, 10, 10])], "b.png": [("dog", [10, 5, 20, 20])]}
LABELS = ["cat", "dog"]


def write_voc(root):
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, boxes in BOXES.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for label, (x, y, w, h) in boxes
        )
        size = "<size><width>40</width><height>30</height></size>"
        xml = f"<annotation><filename>{name}</filename>{size}{objects}</annotation>"
        (root / "Annotations" / f"{name[:-4]}.xml").write_text(xml)
    (root / "ImageSets" / "Main" / "val.txt").write_text("a\nb\n")
    return f"voc:{root}@val"


def write_coco(root):
    (root / "images").mkdir(parents=True)
    content = {
        "images": [{"id": i, "file_name": name, "height": 30, "width": 40} for i, name in enumerate(BOXES)],
        "annotations": [
            {"image_id": i, "category_id": LABELS.index(label) * 7, "bbox": box}
            for i, boxes in enumerate(BOXES.values())
            for label, box in boxes
        ],
        "categories": [{"id": index * 7, "name": label} for index, label in enumerate(LABELS)],
    }
    (root / "instances.json").write_text(json.dumps(content))
    return f"coco:{root}/instances.json@{root}/images"


def write_yolo(root):
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for name, boxes in BOXES.items():
        cv2.imwrite(str(root / "images" / name), np.zeros((30, 40, 3), np.uint8))
        lines = [
            f"{LABELS.index(label)} {(x + w / 2) / 40} {(y + h / 2) / 30} {w / 40} {h / 30}"
            for label, (x, y, w, h) in boxes
        ]
        (root / "labels" / f"{name[:-4]}.txt").write_text("\n".join(lines))
    (root / "data.yaml").write_text("names: [cat, dog]\nval: images\n")
    return f"yolo:{root}/data.yaml@val"


@pytest.fixture
def rows_file(tmp_path):
    def write(rows):
        path = tmp_path / "found.json"
        path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
        return str(path)

    return write


@pytest.mark.parametrize("write", [write_voc, write_coco, write_yolo])
def test_every_format_gives_the_figures_by_hand(tmp_path, rows_file, write):
    """Cat: one of two boxes found, the stray one after it. Dog: its one box found."""
    text = write(tmp_path / "data")
    found, out = rows_file(ROWS), tmp_path / "out.json"
    by_hand = {"voc07": (6 / 11, 1), "voc12": (1 / 2, 1), "coco": (51 / 101, 1)}  # 101 recalls, 0 to 0.5 reached
    for metric, (cat, dog) in by_hand.items():
        assert run(["score", found, "--data", text, "--metric", metric, "--json", str(out)]) == 0
        figures = json.loads(out.read_text())
        assert figures["per_class"] == {"cat": pytest.approx(cat), "dog": pytest.approx(dog)}
        assert figures["mAP"] == pytest.approx((cat + dog) / 2)
        assert (figures["images"], figures["boxes"], figures["detections"]) == (2, 3, 3)
    assert figures["AP50"] == figures["AP"]


def test_no_detections_score_zero(tmp_path, rows_file):
    text, out = write_voc(tmp_path / "data"), tmp_path / "out.json"
    assert run(["score", rows_file([]), "--data", text, "--json", str(out)]) == 0
    assert json.loads(out.read_text())["mAP"] == 0


@pytest.mark.parametrize("spelling", ["images/{}.png", "{}", "{}.jpg"])
def test_images_are_found_by_an_unambiguous_name(tmp_path, rows_file, spelling):
    text, out = write_voc(tmp_path / "data"), tmp_path / "out.json"
    rows = [{**row, "file_name": spelling.format(row["file_name"][0])} for row in ROWS]
    assert run(["score", rows_file(rows), "--data", text, "--json", str(out)]) == 0
    assert json.loads(out.read_text())["detections"] == 3


def test_labels_can_be_mapped(tmp_path, rows_file):
    text, out = write_voc(tmp_path / "data"), tmp_path / "out.json"
    names = {"cat": "Katze", "dog": "Hund"}
    rows = [{**row, "label": names[row["label"]]} for row in ROWS] + [{**ROWS[0], "label": "Maus"}]
    label_map = tmp_path / "map.json"
    label_map.write_text(json.dumps({"Katze": "cat", "Hund": "dog"}))
    assert run(["score", rows_file(rows), "--data", text, "--label-map", str(label_map), "--json", str(out)]) == 0
    assert json.loads(out.read_text())["detections"] == 3


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("[", "not whole JSON"),
        ("", "is empty"),
        ("{}", "a JSON list of rows"),
        ([1], "row 0 of .* must be an object"),
        ([{**ROWS[0], "label": 3}], "needs the texts"),
        ([ROWS[0], {**ROWS[0], "bbox": [1, 2, 3]}], "row 1 of .* needs bbox"),
        ('[{"file_name": "a.png", "label": "cat", "bbox": [0, 0, NaN, 1], "score": 1}]', "needs bbox"),
        ([{**ROWS[0], "bbox": [1, 2, -3, 4]}], "negative width"),
        ([{**ROWS[0], "score": "high"}], "needs score"),
        ([{**ROWS[0], "score": 10**400}], "needs score"),
        ([{**ROWS[0], "label": "bird"}], "label 'bird'"),
        ([{**ROWS[0], "file_name": "c.png"}], "on 'c.png', which"),
    ],
)
def test_wrong_rows_are_refused(tmp_path, rows_file, capfd, rows, complaint):
    import re

    text, out = write_voc(tmp_path / "data"), tmp_path / "out.json"
    assert run(["score", rows_file(rows), "--data", text, "--json", str(out)]) == 2
    error = capfd.readouterr().err
    assert re.search(complaint, error)
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_missing_files_are_refused(tmp_path, rows_file):
    text = write_voc(tmp_path / "data")
    assert run(["score", str(tmp_path / "none.json"), "--data", text]) == 2
    assert run(["score", rows_file(ROWS), "--data", f"{text}x"]) == 2
    assert run(["score", rows_file(ROWS), "--data", text, "--json", str(tmp_path)]) == 2
