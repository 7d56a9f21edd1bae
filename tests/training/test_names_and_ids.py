"""Names that no disk holds or that are none of UTF-8, ids as texts, pose lines in a copy, COCO's order of images."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.commands.cli import run
from edgessd.errors import DataError
from edgessd_training.data.check import check
from edgessd_training.data.images import read_image
from edgessd_training.data.read import read_data
from edgessd_training.data.repair import repair
from edgessd_training.data.source import leaves_its_folder, parse_source

BOX = "0 0.5 0.5 0.5 0.5\n"


def paint(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.RandomState(seed).randint(0, 255, (30, 40, 3), np.uint8))
    return path


def yolo(root: Path, text: str = "names: [cat]\ntrain: images\n") -> str:
    (root / "data.yaml").write_text(text)
    (root / "labels").mkdir(exist_ok=True)
    (root / "images").mkdir(exist_ok=True)
    return f"yolo:{root}/data.yaml@train"


def coco(root: Path, **changes: object) -> str:
    paint(root / "im" / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 30, "width": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        "categories": [{"id": 1, "name": "cat"}],
        **changes,
    }
    (root / "a.json").write_text(json.dumps(content))
    return f"coco:{root}/a.json@{root}/im"


def kinds(text: str) -> dict[str, str]:
    """Return the detail of the last finding of each kind."""
    (checked,) = check([parse_source(text)])
    return {fault.kind: f"{fault.where}: {fault.detail}" for fault in checked.faults}


@pytest.mark.parametrize(
    "name",
    ["a\0b.jpg", "x" * 256, "é" * 128, "a/" + "y" * 300, "\ud800.jpg", "../a", "/a", "C:\\a", "..\\a", "a" * 5000],
)
def test_names_that_cannot_be_are_refused_everywhere(tmp_path, name):
    assert leaves_its_folder(name)
    image = {"id": 1, "file_name": name, "height": 30, "width": 40}
    assert "unsafe path" in kinds(coco(tmp_path, images=[image]))
    text = yolo(tmp_path, "names: [cat]\ntrain: list.txt\n")
    (tmp_path / "list.txt").write_bytes(name.encode(errors="surrogatepass"))
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_bytes(name.encode(errors="surrogatepass"))
    (tmp_path / "Annotations").mkdir()
    for source in (text, f"voc:{tmp_path}@train", f"voc:{tmp_path}@{name}"):
        with pytest.raises(DataError) as caught:
            read_data(source)
        assert "\n" not in str(caught.value)


def test_names_may_have_any_bytes_that_a_disk_holds(tmp_path):
    text = yolo(tmp_path)
    for stem in (b"n\xe9", b"x" * 235, b"a:b [c]\x1b[31m"):
        (tmp_path / "images").joinpath(stem.decode(errors="surrogateescape") + ".jpg").write_bytes(
            paint(tmp_path / "x.jpg").read_bytes()
        )
        (tmp_path / "labels").joinpath(stem.decode(errors="surrogateescape") + ".txt").write_text(BOX)
    data = read_data(text)
    assert sum(len(record.classes) for record in data.records) == 3
    assert all(read_image(record.path).shape == (30, 40, 3) for record in data.records)
    report = tmp_path / "report.json"
    assert run(["data", "check", text, "--json", str(report)]) == 0
    assert json.loads(report.read_text())["data"][0]["images"] == 3


def test_a_pose_line_is_its_box(tmp_path):
    text = yolo(tmp_path, "names: [cat]\nkpt_shape: [2, 2]\ntrain: images\n")
    paint(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels" / "a.txt").write_text(
        "0 0.5 0.5 0.5 0.5 0.1 0.1 0.9 0.9\n" + "0 0.9 0.5 0.4 0.2 .1 .1 .2 .2\n"
    )
    (copy,) = repair(check([parse_source(text)]), tmp_path / "copy")
    assert read_data(copy.source).records[0].boxes_xyxy.tolist() == [[10, 7.5, 30, 22.5], [28, 12, 40, 18]]
    (tmp_path / "labels" / "a.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    with pytest.raises(DataError, match="kpt_shape"):
        read_data(text)


def test_equal_scores_fall_in_the_order_of_cocos_own_ids(tmp_path):
    """pycocotools on the same two files; the images' ids run against the order of the file."""
    pycoco = pytest.importorskip("pycocotools.coco")
    pyeval = pytest.importorskip("pycocotools.cocoeval")
    from edgessd_training.metrics import measure
    from edgessd_training.metrics.coco import KEYS
    from edgessd_training.metrics.detections_file import from_rows

    rng = np.random.default_rng(3)
    ids = [int(value) for value in rng.permutation(40) + 5]
    images = [{"id": key, "file_name": f"{key}.png", "height": 300, "width": 400} for key in ids]
    truth, rows, results = [], [], []
    for key in ids:
        for _ in range(3):
            box = [*map(float, rng.integers(0, 150, 2)), *map(float, rng.integers(20, 120, 2))]
            truth.append({"id": len(truth) + 1, "image_id": key, "category_id": 1, "bbox": box, "iscrowd": 0,
                          "area": box[2] * box[3]})  # fmt: skip
            moved = [box[0] + float(rng.integers(0, 30)), *box[1:]]
            score = float(rng.integers(1, 4)) / 4  # many ties
            rows.append({"file_name": f"{key}.png", "label": "cat", "bbox": moved, "score": score})
            results.append({"image_id": key, "category_id": 1, "bbox": moved, "score": score})
    (tmp_path / "im").mkdir()
    for image in images:
        (tmp_path / "im" / str(image["file_name"])).touch()
    data = read_data(coco(tmp_path, images=images, annotations=truth))
    figures = measure(data, from_rows(data, rows), "coco")
    known = pycoco.COCO(str(tmp_path / "a.json"))
    evaluation = pyeval.COCOeval(known, known.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    np.testing.assert_allclose([figures[key] for key in KEYS], evaluation.stats, atol=1e-6)


def test_ids_as_texts_and_labels_beside_their_images(tmp_path):
    entry = {"id": 1, "image_id": "1", "category_id": "1", "bbox": [1, 1, 9, 9]}
    images = [{"id": "1", "file_name": "a.png", "height": 30, "width": 40}]
    text = coco(tmp_path, annotations=[entry], images=images, categories=[{"id": "1", "name": "cat"}])
    assert read_data(text).records[0].classes.tolist() == [0]
    (copy,) = repair(check([parse_source(text)]), tmp_path / "copy")
    assert len(read_data(copy.source).records[0].classes) == 1
    text = yolo(tmp_path)
    paint(tmp_path / "images" / "a.jpg")
    (tmp_path / "images" / "a.txt").write_text(BOX)
    assert len(read_data(text).records[0].classes) == 1


def test_a_copy_of_marked_labels_and_a_split_that_is_no_path(tmp_path):
    text = yolo(tmp_path)
    paint(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels" / "a.txt").write_text(BOX + "0 0.9 0.5 0.4 0.2\n", encoding="utf-16")
    (copy,) = repair(check([parse_source(text)]), tmp_path / "copy")
    assert len(read_data(copy.source).records[0].classes) == 2
    for wrong in ("[[a, b]]", "{a: b}", "x" * 300):
        with pytest.raises(DataError) as caught:
            read_data(yolo(tmp_path, f"names: [cat]\ntrain: {wrong}\n"))
        assert len(str(caught.value)) < 500


def test_a_web_page_is_named(tmp_path):
    (tmp_path / "a.jpg").write_text("<!DOCTYPE html><html>not found</html>")
    with pytest.raises(DataError, match="web page"):
        read_image(tmp_path / "a.jpg")
