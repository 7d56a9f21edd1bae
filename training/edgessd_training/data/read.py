"""Reads a data set into records, or refuses it: nothing is repaired on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgessd.errors import DataError
from edgessd_training.data.coco import parse_coco
from edgessd_training.data.faults import DUPLICATED_BOX, EMPTY_BOX, MISSING_IMAGE, ZERO_AREA_BOX, Fault
from edgessd_training.data.images import image_size_hw
from edgessd_training.data.judge import image_faults
from edgessd_training.data.raw import RawImage, RawSet
from edgessd_training.data.records import DataSet, Record
from edgessd_training.data.source import Source, parse_source
from edgessd_training.data.text import decode_text
from edgessd_training.data.voc import parse_voc
from edgessd_training.data.yolo import parse_yolo

_REPAIR = "`edgessd data check` lists every fault, --fix DIR writes a repaired copy"


def read_data(text: str, labels: Sequence[str] | None = None) -> DataSet:
    """Return a split with its images in place; ``text`` as in ``data.source``.

    labels: the names in the order wanted; the data set's own where None (VOC has none: sorted as found).
    Raises DataError for whatever cannot be read as it is meant, images' contents aside.
    """
    data = read_annotations(text, labels)
    for record in data.records:
        if not record.path.is_file():
            raise _refusal(Fault(MISSING_IMAGE, record.file_name, f"no image at {record.path}"))
    return data


def read_annotations(text: str, labels: Sequence[str] | None = None) -> DataSet:
    """Return a split as ``read_data`` does, without looking for the images.

    Headers are read only where an annotation gives no size, which is always so for YOLO.
    """
    source = parse_source(text)
    parsed = parse(source)
    names = label_order(parsed, labels)
    for fault in parsed.faults:
        if fault.is_error:
            raise _refusal(fault)
    if not parsed.images:
        raise DataError(f"{text} lists no image", fix="choose another split")
    places = {label: place for place, label in enumerate(names)}
    return DataSet(
        text, names, tuple(_record(image, index, names, places) for index, image in enumerate(parsed.images))
    )


def parse(source: Source) -> RawSet:
    """Return a data set as its files say, with the faults that parsing met."""
    match source.format:
        case "voc":
            return parse_voc(source)
        case "coco":
            return parse_coco(source)
        case _:
            return parse_yolo(source)


def label_order(parsed: RawSet, labels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the labels given, or the format's own, or those of the boxes, sorted."""
    if labels is not None:
        return tuple(labels)
    if parsed.labels is not None:
        return parsed.labels
    return tuple(sorted({box.label for image in parsed.images for box in image.boxes if box.label}))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names of a text file, one a line. Raises DataError when there is none or one comes twice."""
    try:
        lines = decode_text(path.read_bytes(), str(path)).splitlines()
    except OSError as error:
        raise DataError(f"cannot read the labels {path}: {error.strerror}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(set(names)) != len(names):
        raise DataError(f"a file of labels has one name a line, each once; {path} has {len(names)}")
    return names


def with_labels(data: DataSet, labels: Sequence[str]) -> DataSet:
    """Return the same records with classes counted in another order of labels.

    Raises DataError when a box has a label that is not among them.
    """
    place = {label: index for index, label in enumerate(labels)}
    used = np.unique(np.concatenate([record.classes for record in data.records])) if data.records else np.zeros(0, int)
    missing = [data.labels[index] for index in used if data.labels[index] not in place]
    if missing:
        raise DataError(
            f"boxes of {data.source} have the labels {', '.join(missing)}, known are {', '.join(labels)}",
            fix="correct the names or map them",
        )
    order = np.array([place.get(label, -1) for label in data.labels], np.int64)
    records = tuple(replace(record, classes=order[record.classes]) for record in data.records)
    return DataSet(data.source, tuple(labels), records)


def _record(image: RawImage, index: int, labels: tuple[str, ...], places: Mapping[str, int]) -> Record:
    size_hw = _size_hw(image)
    for fault in image_faults(image, index, labels, size_hw):
        if fault.is_error and fault.kind != DUPLICATED_BOX and not _is_one_pixel(image, fault):
            raise _refusal(fault)
    boxes = image.boxes
    boxes_xyxy = np.array([box.box_xyxy for box in boxes], np.float64).reshape(-1, 4)
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    drawn = sides[:, 0] * sides[:, 1]
    areas = np.array([own if box.area is None else box.area for box, own in zip(boxes, drawn, strict=True)], np.float64)
    return Record(
        file_name=image.file_name,
        path=image.path,
        height=size_hw[0],
        width=size_hw[1],
        boxes_xyxy=boxes_xyxy.astype(np.float32),
        classes=np.array([places[box.label] for box in boxes], np.int64),
        difficult=np.array([box.difficult for box in boxes], np.bool_),
        crowd=np.array([box.crowd for box in boxes], np.bool_),
        areas=areas,
        image_id=image.image_id,
    )


def _size_hw(image: RawImage) -> tuple[int, int]:
    if image.height is not None and image.width is not None:
        return image.height, image.width
    return image_size_hw(image.path)


def _is_one_pixel(image: RawImage, fault: Fault) -> bool:
    """Return whether a box drawn as a point or a line still covers pixels, as VOC's inclusive edges do."""
    if fault.kind not in (EMPTY_BOX, ZERO_AREA_BOX) or fault.box is None:
        return False
    left, top, right, bottom = image.boxes[fault.box].box_xyxy
    return right - left >= 1 and bottom - top >= 1


def _refusal(fault: Fault) -> DataError:
    return DataError(f"{fault.kind}: {fault.where}", fix=f"{fault.detail.rstrip('.')}; {_REPAIR}")
