"""The VOC reader: edges, splits, names, labels, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from edgessd.errors import DataError
from edgessd_training.data.read import read_annotations, read_data, with_labels

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def write_set(root, files, split="val"):
    """Write annotations {id: xml body} with an image of 40x30 each, and one split that lists them."""
    cv2 = pytest.importorskip("cv2")
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (root / "Annotations" / f"{name}.xml").write_text(body, encoding="utf-8")
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.jpg"), np.full((30, 40, 3), 90, np.uint8))
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in files), encoding="utf-8")
    return f"voc:{root}@{split}"


def xml(*objects, size="<size><width>40</width><height>30</height></size>"):
    return f"<annotation><filename>x.jpg</filename>{size}{''.join(objects)}</annotation>"


def obj(name, xmin, ymin, xmax, ymax, extra=""):
    box = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<object><name>{name}</name>{extra}<bndbox>{box}</bndbox></object>"


def test_boxes_are_converted_from_inclusive_pixels_counted_from_one(tmp_path):
    text = write_set(
        tmp_path, {"a": xml(obj("dog", 1, 1, 1, 1), obj("cat", 11, 6, 40, 30, "<difficult>1</difficult>"))}
    )
    data = read_data(text)
    (record,) = data.records
    assert data.labels == ("cat", "dog")
    assert record.boxes_xyxy.tolist() == [[0, 0, 1, 1], [10, 5, 40, 30]]
    assert record.boxes_xyxy.dtype == np.float32
    assert record.classes.tolist() == [1, 0]
    assert record.difficult.tolist() == [False, True]
    assert record.crowd.tolist() == [False, False]
    assert (record.height, record.width, record.file_name) == (30, 40, "a.jpg")


def test_an_image_without_boxes_has_empty_arrays(tmp_path):
    (record,) = read_data(write_set(tmp_path, {"a": xml()})).records
    assert record.boxes_xyxy.shape == (0, 4)
    assert record.classes.shape == (0,)


def test_names_with_spaces_and_class_lists_with_flags(tmp_path):
    write_set(tmp_path, {"my dog 1": xml(obj("dog", 1, 1, 5, 5)), "b": xml()})
    (tmp_path / "ImageSets" / "Main" / "dog_val.txt").write_text("my dog 1  1\nb -1\n\n")
    names = [record.file_name for record in read_data(f"voc:{tmp_path}@dog_val").records]
    assert names == ["my dog 1.jpg", "b.jpg"]


def test_lists_may_name_files_and_all_takes_every_annotation(tmp_path):
    write_set(tmp_path, {"a": xml(), "b": xml()}, split="all_of_them")
    (tmp_path / "ImageSets" / "Main" / "files.txt").write_text("b.jpg\n")
    assert [r.file_name for r in read_data(f"voc:{tmp_path}@files").records] == ["b.jpg"]
    assert [r.file_name for r in read_data(f"voc:{tmp_path}@all").records] == ["a.jpg", "b.jpg"]


def test_labels_come_from_an_argument_or_from_labels_txt(tmp_path):
    text = write_set(tmp_path, {"a": xml(obj("dog", 1, 1, 5, 5))})
    assert read_data(text, ["zebra", "dog"]).records[0].classes.tolist() == [1]
    (tmp_path / "labels.txt").write_text("emu\ndog\n\n")
    data = read_data(text)
    assert data.labels == ("emu", "dog")
    assert data.records[0].classes.tolist() == [1]
    with pytest.raises(DataError, match=r"unknown label.*'dog' is not among the labels"):
        read_data(text, ["cat"])


def test_with_labels_counts_in_another_order_and_refuses_a_label_in_use(tmp_path):
    data = read_data(write_set(tmp_path, {"a": xml(obj("dog", 1, 1, 5, 5), obj("cat", 1, 1, 5, 5))}))
    assert with_labels(data, ("dog", "emu", "cat")).records[0].classes.tolist() == [0, 2]
    with pytest.raises(DataError, match="have the labels cat"):
        with_labels(data, ("dog",))


def test_a_missing_size_is_read_from_the_image(tmp_path):
    (record,) = read_data(write_set(tmp_path, {"a": xml(size="<size><width>0</width></size>")})).records
    assert (record.height, record.width) == (30, 40)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (xml(obj("dog", 1, 1, 60, 9)), "box outside: a.jpg, box 1 .dog.: 20.0 pixels outside"),
        (xml(obj("dog", 9, 1, 3, 9)), "inverted box"),
        (xml(obj("dog", "", 1, 3, 9)), "damaged box.*xmin missing"),
        (xml(obj("dog", "nan", 1, 3, 9)), "damaged box"),
        (xml(obj("", 1, 1, 3, 9)), "unknown label.*has no label"),
        ("<annotation><object>", "broken annotation.*not whole XML"),
        ("", "broken annotation"),
        ('<!DOCTYPE x [<!ENTITY e "dog">]><annotation>&e;</annotation>', "EntitiesForbidden"),
    ],
)
def test_faults_are_refused_by_name(tmp_path, body, complaint):
    text = write_set(tmp_path, {"a": body})
    with pytest.raises(DataError, match=complaint):
        read_data(text)


def test_what_is_not_there_is_named(tmp_path):
    text = write_set(tmp_path, {"a": xml()})
    with pytest.raises(DataError, match=r"no split 'train'.*choose val, all"):
        read_data(f"voc:{tmp_path}@train")
    with pytest.raises(DataError, match="no VOC folder"):
        read_data(f"voc:{tmp_path}/nowhere@train")
    for wrong in ("voc", "voc:", f"voc:{tmp_path}", f"kitti:{tmp_path}@val"):
        with pytest.raises(DataError, match="data is given as"):
            read_data(wrong)
    (tmp_path / "JPEGImages" / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"missing image: a\.jpg"):
        read_data(text)
    assert len(read_annotations(text).records) == 1


def test_a_list_of_pairs_says_what_a_line_is(tmp_path):
    text = write_set(tmp_path, {"a": xml()})
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("JPEGImages/a.jpg Annotations/a.xml\n")
    with pytest.raises(DataError, match="a line is an image id such as 000005"):
        read_data(text)


def test_ids_that_leave_the_folder_are_refused(tmp_path):
    write_set(tmp_path, {"a": xml()})
    for name in ("../a", "/etc/passwd", "C:\\a"):
        (tmp_path / "ImageSets" / "Main" / "bad.txt").write_text(name + "\n")
        with pytest.raises(DataError, match="unsafe path"):
            read_data(f"voc:{tmp_path}@bad")
    with pytest.raises(DataError, match="a split is a name"):
        read_data(f"voc:{tmp_path}@../x")


def test_bccd_reads_with_its_point_boxes_as_single_pixels():
    if not SHARED.exists():
        pytest.skip("the data of ../shared are not here")
    data = read_data(f"voc:{SHARED}/bccd/BCCD@train")
    assert data.labels == ("Platelets", "RBC", "WBC")
    assert len(data.records) == 205
    assert sum(len(record.classes) for record in data.records) == 2805
    (record,) = [
        record for record in data.records if record.file_name in ("BloodImage_00338.jpg", "BloodImage_00343.jpg")
    ]
    sides = record.boxes_xyxy[:, 2:] - record.boxes_xyxy[:, :2]
    assert sides.min() == 1
