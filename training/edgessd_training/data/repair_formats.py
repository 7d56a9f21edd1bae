"""The three formats of a repaired copy; whatever else the annotations hold stays in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import SubElement, tostring  # writes only; reading goes through defusedxml

from edgessd.errors import InputError
from edgessd.util.extras import need
from edgessd.util.outside_text import outside_text
from edgessd_training.data.coco import read_json
from edgessd_training.data.darknet import describes
from edgessd_training.data.kept import KeptImage, place_image
from edgessd_training.data.raw import whole
from edgessd_training.data.source import Source, bounded_bytes
from edgessd_training.data.text import decode_text, to_json
from edgessd_training.data.voc import EDGES, read_xml, split_file
from edgessd_training.data.yolo import MAX_TEXT_BYTES, key_point_sizes, label_names, label_path, read_yaml


def write_split(source: Source, kept: Sequence[KeptImage], folder: Path) -> Source:
    """Write one split into a folder, beside those already there, and return where it lies now."""
    match source.format:
        case "voc":
            return _write_voc(source, kept, folder)
        case "coco":
            return _write_coco(source, kept, folder)
        case _:
            return _write_yolo(source, kept, folder)


def _write_voc(source: Source, kept: Sequence[KeptImage], folder: Path) -> Source:
    for entry in kept:
        place_image(entry.image.path, folder / "JPEGImages" / entry.image.file_name)
        annotation = folder / "Annotations" / f"{entry.image.key}.xml"
        annotation.parent.mkdir(parents=True, exist_ok=True)
        annotation.write_bytes(tostring(_repaired_xml(entry), encoding="utf-8"))
    listing = split_file(folder, source.part)
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text("".join(_line(entry.image.key) for entry in kept), encoding="utf-8")
    if (source.place / "labels.txt").is_file():
        place_image(source.place / "labels.txt", folder / "labels.txt")
    return Source("voc", folder, source.part)


def _repaired_xml(entry: KeptImage) -> Any:
    assert entry.image.annotation is not None  # every VOC image has one
    xml = read_xml(entry.image.annotation)
    size = xml.find("size")
    if size is None:
        size = SubElement(xml, "size")
    for name, value in zip(("height", "width"), entry.size_hw, strict=True):
        element = size.find(name)
        if element is None:
            element = SubElement(size, name)
        element.text = str(value)
    for index, element in enumerate(xml.findall("object")):
        if index not in entry.boxes:
            xml.remove(element)
        elif index in entry.clipped:
            left, top, right, bottom = entry.boxes[index]
            for edge, place in zip(EDGES, (left + 1, top + 1, right, bottom), strict=True):
                element.find("bndbox").find(edge).text = _text(place)
    return xml


def _write_coco(source: Source, kept: Sequence[KeptImage], folder: Path) -> Source:
    content = read_json(source.place)
    images = folder / Path(source.part).name
    by_id = {whole(entry.image.key): entry for entry in kept}
    boxes = {place: edges for entry in kept for place, edges in entry.boxes.items()}
    clipped = {place for entry in kept for place in entry.clipped}
    listed = {}
    for item in content["images"]:
        key = whole(item.get("id")) if isinstance(item, dict) else None
        if key is not None and key in by_id and key not in listed:
            (height, width), name = by_id[key].size_hw, by_id[key].image.file_name
            listed[key] = {**item, "file_name": name, "height": height, "width": width}
    annotations = []
    for place, item in enumerate(content["annotations"]):
        if place in clipped:
            left, top, right, bottom = boxes[place]
            size = (right - left) * (bottom - top)
            area = item.get("area", size)
            item = {**item, "bbox": [left, top, right - left, bottom - top], "area": min(area, size)}
        if place in boxes:
            annotations.append(item)
    for entry in kept:
        place_image(entry.image.path, images / entry.image.file_name)
    images.mkdir(parents=True, exist_ok=True)
    target = folder / source.place.name
    repaired = {**content, "images": list(listed.values()), "annotations": annotations}
    target.write_text(to_json(repaired), encoding="utf-8")
    return Source("coco", target, str(images))


def _write_yolo(source: Source, kept: Sequence[KeptImage], folder: Path) -> Source:
    lines = []
    points = key_point_sizes(read_yaml(source.place), source.place)
    for entry in kept:
        image = folder / entry.image.file_name
        place_image(entry.image.path, image)
        lines.append(_line(f"./{entry.image.file_name}"))
        if entry.image.annotation:
            labels = label_path(image, folder)
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text(_yolo_lines(entry, key_points=bool(points)), encoding="utf-8")
    (folder / f"{source.part}.txt").write_text("".join(lines), encoding="utf-8")
    target = folder / ("data.yaml" if describes(source.place) else source.place.name)
    earlier = read_yaml(target) if target.exists() else {}
    names = list(label_names(read_yaml(source.place), source.place))
    yaml = need("yaml", "eval")
    pose = {"kpt_shape": list(points)} if points else {}  # without it a line of key points is an outline
    content = {**earlier, "names": names, **pose, source.part: f"{source.part}.txt"}
    target.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return Source("yolo", target, source.part)


def _line(name: str) -> str:
    """Return a line of a list of images. Raises InputError for a name that would be read back as another."""
    try:
        name.encode()
        fits = name.strip().splitlines() == [name]
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise InputError(
            f"the copy's list of images cannot hold the name {outside_text(name)!r}", fix="rename the file"
        )
    return f"{name}\n"


def _yolo_lines(entry: KeptImage, *, key_points: bool) -> str:
    assert entry.image.annotation is not None  # asked by the caller
    height, width = entry.size_hw
    kept = []
    text = decode_text(bounded_bytes(entry.image.annotation, MAX_TEXT_BYTES), str(entry.image.annotation))
    for row, line in enumerate(text.splitlines()):
        if row in entry.clipped:
            left, top, right, bottom = entry.boxes[row]
            centre = ((left + right) / 2 / width, (top + bottom) / 2 / height)
            size = ((right - left) / width, (bottom - top) / height)
            behind = line.split()[5:] if key_points else []
            line = " ".join([line.split()[0], *(f"{value:.8f}" for value in (*centre, *size)), *behind])
        if row in entry.boxes:
            kept.append(line + "\n")
    return "".join(kept)


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"
