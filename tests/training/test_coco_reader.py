"""The COCO reader: ids with gaps, crowds, areas, and what it refuses."""

import json

import numpy as np
import pytest

from edgessd.errors import DataError
from edgessd_training.data.read import read_annotations, read_data


def content(**changes):
    return {
        "images": [
            {"id": 7, "file_name": "sub/a b.png", "height": 30, "width": 40},
            {"id": 3, "file_name": "c.png", "height": 30, "width": 40},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1.5, 2, 10, 20], "area": 120.5, "segmentation": [[1]]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 40, 30], "iscrowd": 1},
        ],
        "categories": [{"id": 90, "name": "toothbrush"}, {"id": 2, "name": "bicycle"}, {"id": 5, "name": "bus"}],
        **changes,
    }


@pytest.fixture
def place(tmp_path):
    cv2 = pytest.importorskip("cv2")
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    for name in ("sub/a b.png", "c.png"):
        cv2.imwrite(str(images / name), np.zeros((30, 40, 3), np.uint8))

    def write(value):
        path = tmp_path / "instances.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return f"coco:{path}@{images}"

    return write


def test_category_ids_with_gaps_are_mapped_in_their_order(place):
    data = read_data(place(content()))
    assert data.labels == ("bicycle", "bus", "toothbrush")
    first, second = data.records
    assert first.file_name == "sub/a b.png"
    assert first.boxes_xyxy.tolist() == [[1.5, 2, 11.5, 22], [0, 0, 40, 30]]
    assert first.classes.tolist() == [2, 0]
    assert first.crowd.tolist() == [False, True]
    assert first.areas.tolist() == [120.5, 1200]
    assert second.boxes_xyxy.shape == (0, 4)


def test_given_labels_set_the_order(place):
    data = read_data(place(content()), ["toothbrush", "bicycle"])
    assert data.records[0].classes.tolist() == [0, 1]


def box(**changes):
    entry = {"image_id": 7, "category_id": 2, "bbox": [0, 0, 5, 5], **changes}
    return content(annotations=[entry])


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("{", "not whole JSON"),
        ("[" * 100_000, "not whole JSON"),
        ("[]", "one JSON object"),
        ('{"images": [NaN]}', "a list 'annotations'"),
        ({"images": [], "annotations": []}, "a list 'categories'"),
        (content(images=[]), "unknown image"),
        (content(images=[], annotations=[]), "lists no image"),
        (content(categories=[{"id": 2, "name": "a"}, {"id": 3, "name": "a"}]), "ids and names that differ"),
        (content(images=[{"id": "seven", "file_name": "c.png"}]), "broken annotation.*whole-number id"),
        (content(images=[{"id": 7, "file_name": "../c.png"}], annotations=[]), "unsafe path"),
        (content(images=[{"id": 7, "file_name": "/c.png"}], annotations=[]), "unsafe path"),
        (content(images=content()["images"] * 2), "listed twice"),
        (box(category_id=4), "unknown label.*category 4"),
        (box(image_id=99), "unknown image.*id 99"),
        (box(bbox=[0, 0, 5]), "damaged box"),
        (box(bbox=[0, 0, 10**400, 5]), "damaged box"),
        (box(bbox=[0, 0, -5, 5]), "inverted box"),
        (box(bbox=[3, 3, 0, 0]), "empty box"),
        (box(bbox=[3, 3, 4, 0]), "zero-area box"),
        (box(bbox=[30, 3, 20, 4]), "box outside.*10.0 pixels"),
    ],
)
def test_faults_are_refused_by_name(place, value, complaint):
    with pytest.raises(DataError, match=complaint):
        read_data(place(value))


def test_a_missing_image_is_named_and_annotations_alone_still_read(place, tmp_path):
    text = place(content())
    (tmp_path / "images" / "c.png").unlink()
    with pytest.raises(DataError, match=r"missing image: c\.png"):
        read_data(text)
    assert len(read_annotations(text).records) == 2


def test_a_missing_folder_of_images_is_named(place):
    with pytest.raises(DataError, match="no folder of images"):
        read_data(place(content()).replace("@", "@/nowhere"))
