"""The YOLO reader: the ways a data.yaml names its images, boxes in fractions, and what it refuses."""

import numpy as np
import pytest

from edgessd.errors import DataError
from edgessd_training.data.faults import SHARED_LABELS
from edgessd_training.data.read import read_data
from edgessd_training.data.source import parse_source
from edgessd_training.data.yolo import parse_yolo


@pytest.fixture
def root(tmp_path):
    """Two images of 40x30 in images/val, labels for the first."""
    cv2 = pytest.importorskip("cv2")
    pytest.importorskip("yaml")
    for folder in ("images/val", "labels/val"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a", "b c"):
        cv2.imwrite(str(tmp_path / "images" / "val" / f"{name}.png"), np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "labels" / "val" / "a.txt").write_text("1 0.5 0.5 0.25 0.2\n\n0 0.1 0.1 0.3 0.1 0.2 0.4\n")
    return tmp_path


def write(root, text):
    (root / "data.yaml").write_text(text)
    return f"yolo:{root}/data.yaml@val"


def test_fractions_become_pixels_and_outlines_boxes(root):
    data = read_data(write(root, "names: [cat, dog]\nval: images/val\n"))
    first, second = data.records
    assert data.labels == ("cat", "dog")
    assert (first.file_name, first.height, first.width) == ("images/val/a.png", 30, 40)
    assert first.classes.tolist() == [1, 0]
    np.testing.assert_allclose(first.boxes_xyxy, [[15, 12, 25, 18], [4, 3, 12, 12]], atol=1e-5)
    assert second.file_name == "images/val/b c.png"
    assert second.boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    "text",
    [
        "names: {0: cat, 1: dog}\nval: [images/val]\n",
        "path: .\nnames: [cat, dog]\nval: ../images/val\n",
        "path: images\nnames: [cat, dog]\nval: val\n",
        "names: [cat, dog]\nval: list.txt\n",
        "names: [cat, dog]\nval: [images/val/a.txt, images/val/rest.txt]\n",
    ],
)
def test_splits_are_folders_lists_or_several(root, text):
    (root / "list.txt").write_text("./images/val/a.png\nimages/val/b c.png\n")
    (root / "images" / "val" / "a.txt").write_text("./a.png\n")
    (root / "images" / "val" / "rest.txt").write_text("./b c.png\n")
    data = read_data(write(root, text))
    assert [record.path.name for record in data.records] == ["a.png", "b c.png"]
    if not text.startswith("path: images"):
        assert len(data.records[0].classes) == 2


def test_labels_may_lie_beside_the_images(tmp_path):
    cv2 = pytest.importorskip("cv2")
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.jpg"), np.zeros((30, 40, 3), np.uint8))
    (tmp_path / "pictures" / "a.txt").write_text("0 0.5 0.5 1 1")
    (record,) = read_data(write(tmp_path, "names: [cat]\nval: pictures\n")).records
    assert record.boxes_xyxy.tolist() == [[0, 0, 40, 30]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("names: [cat\n", "not readable YAML"),
        ("- cat\n", "holds names and splits"),
        ("!!python/object/apply:os.system ['true']", "holds names and splits"),
        ("val: images/val\n", "needs `names`"),
        ("names: {1: cat}\nval: images/val\n", "numbered 0 to 0"),
        ("names: [cat, cat]\nval: images/val\n", "names must differ"),
        ("names: [cat, dog]\ntrain: images/val\n", "no split 'val'.*choose train"),
        ("names: [cat, dog]\nval: nowhere\n", "which does not exist"),
        ("names: [cat, dog]\nval: away.txt\n", "unsafe path"),
        ("names: [cat, dog]\nval: itself.txt\n", "unsafe path"),
        ("names: [cat, dog]\nval: images/val/a.png\n", "names the image images/val/a.png: give a folder"),
        ("names: [cat, dog]\nval: gone.txt\n", "missing image"),
        ("names: [cat, dog]\nval: twice.txt\n", "listed twice"),
        ("names: [cat]\nval: images/val\n", "unknown label.*class 1"),
    ],
)
def test_faults_are_refused_by_name(root, text, complaint):
    (root / "away.txt").write_text("/etc/passwd\n")
    (root / "itself.txt").write_text("images/..\n")
    (root / "gone.txt").write_text("images/val/gone.png\n")
    (root / "twice.txt").write_text("images/val/a.png\nimages/val/a.png\n")
    with pytest.raises(DataError, match=complaint):
        read_data(write(root, text))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("0 0.5 0.5 0.2", "broken annotation.*line 1"),
        ("x 0.5 0.5 0.2 0.2", "unknown label.*class x"),
        ("0.5 0.5 0.5 0.2 0.2", "unknown label"),
        ("0 0.5 x 0.2 0.2", "damaged box"),
        ("0 0.5 0.5 0 0", "empty box"),
        ("0 0.5 0.5 0.2 0", "zero-area box"),
        ("0 0.5 0.5 -0.2 0.1", "inverted box"),
        ("0 0.9 0.5 0.4 0.1", "box outside.*4.0 pixels"),
    ],
)
def test_wrong_lines_are_refused_by_name(root, line, complaint):
    (root / "labels" / "val" / "a.txt").write_text(line + "\n")
    with pytest.raises(DataError, match=complaint):
        read_data(write(root, "names: [cat, dog]\nval: images/val\n"))


def test_two_images_of_one_label_file_are_noted(root):
    folder = root / "images" / "val"
    (folder / "a.bmp").write_bytes((folder / "a.png").read_bytes())
    parsed = parse_yolo(parse_source(write(root, "names: [cat, dog]\nval: images/val\n")))
    (noted,) = [fault for fault in parsed.faults if fault.kind == SHARED_LABELS]
    assert (noted.where, noted.is_error) == ("images/val/a.png", False)
    assert noted.detail.endswith("labels/val/a.txt is also that of images/val/a.bmp")
