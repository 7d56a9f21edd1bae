"""First labels as VOC, YOLO, COCO and Label Studio take them; what is there already stays as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring  # writes only

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.util.extras import need
from edgessd.util.files import make_folder, write_text
from edgessd.util.outside_text import outside_text
from edgessd_training.data.text import to_json
from edgessd_training.data.yolo import label_names, read_yaml


class Labelled(NamedTuple):
    """One picture with what was found. name: of its file."""

    name: str
    height: int
    width: int
    found: Detections


class Writer(Protocol):
    """One form of labels below a folder.

    images: the folder for the pictures, below it. mark: a file or folder that only this form has.
    """

    images: str
    mark: str

    def start(self, folder: Path, labels: Sequence[str]) -> None:
        """Check what is already there, before any work. Raises InputError where new labels would not match it."""
        ...

    def has(self, folder: Path, name: str) -> bool:
        """Return whether a picture is labelled there already."""
        ...

    def add(self, folder: Path, labelled: Labelled, labels: Sequence[str]) -> None:
        """Write or keep the labels of one picture."""
        ...

    def finish(self, folder: Path, labels: Sequence[str]) -> None:
        """Write what all pictures share."""
        ...


class Voc:
    """One XML file a picture."""

    images, mark = "JPEGImages", "Annotations"

    def start(self, folder: Path, labels: Sequence[str]) -> None:
        return

    def has(self, folder: Path, name: str) -> bool:
        return _file(folder, "Annotations", name, ".xml").exists()

    def add(self, folder: Path, labelled: Labelled, labels: Sequence[str]) -> None:
        root = Element("annotation")
        SubElement(root, "filename").text = outside_text(labelled.name)  # XML has no control characters
        size = SubElement(root, "size")
        for key, value in (("width", labelled.width), ("height", labelled.height), ("depth", 3)):
            SubElement(size, key).text = str(value)
        for label, (left, top, right, bottom), _ in _rows(labelled, labels):
            entry = SubElement(root, "object")
            SubElement(entry, "name").text = label
            SubElement(entry, "difficult").text = "0"
            box = SubElement(entry, "bndbox")
            # VOC counts pixels from 1 and includes the last.
            for key, edge in (("xmin", left + 1), ("ymin", top + 1), ("xmax", right), ("ymax", bottom)):
                SubElement(box, key).text = str(round(edge))
        indent(root)
        make_folder(folder / "Annotations")
        write_text(_file(folder, "Annotations", labelled.name, ".xml"), tostring(root, encoding="unicode") + "\n")

    def finish(self, folder: Path, labels: Sequence[str]) -> None:
        return


class Yolo:
    """One text file a picture, fractions of it; data.yaml names the classes."""

    images, mark = "images", "data.yaml"

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()

    def start(self, folder: Path, labels: Sequence[str]) -> None:
        """Take the class numbers of an existing data.yaml, which existing labels follow."""
        place = folder / self.mark
        self._names = label_names(read_yaml(place), place) if place.exists() else tuple(labels)
        if missing := [label for label in labels if label not in self._names]:
            raise InputError(
                f"{place} has no name for {', '.join(missing[:8])}", fix="add it there or give another --out"
            )
        if not place.exists() and any((folder / "labels").glob("*.txt")):
            raise InputError(f"{folder / 'labels'} has labels, but {place} is missing", fix="give another --out")

    def has(self, folder: Path, name: str) -> bool:
        return _file(folder, "labels", name, ".txt").exists()

    def add(self, folder: Path, labelled: Labelled, labels: Sequence[str]) -> None:
        lines = []
        for label, (left, top, right, bottom), _ in _rows(labelled, labels):
            values = [(left + right) / 2 / labelled.width, (top + bottom) / 2 / labelled.height]
            values += [(right - left) / labelled.width, (bottom - top) / labelled.height]
            lines.append(f"{self._names.index(label)} {' '.join(f'{value:.6f}' for value in values)}\n")
        make_folder(folder / "labels")
        self._name_classes(folder / self.mark)  # first: a killed run leaves no labels without names
        write_text(_file(folder, "labels", labelled.name, ".txt"), "".join(lines))

    def _name_classes(self, place: Path) -> None:
        if not place.exists():
            content = {"train": "images", "val": "images", "names": list(self._names)}
            write_text(place, need("yaml", "eval").safe_dump(content, allow_unicode=True, sort_keys=False))

    def finish(self, folder: Path, labels: Sequence[str]) -> None:
        return


class _OneFile:
    """Labels of all pictures in one JSON file, which must not be there yet."""

    images, mark = "images", ""

    def __init__(self) -> None:
        self.rows: list[Labelled] = []

    def start(self, folder: Path, labels: Sequence[str]) -> None:
        if (folder / self.mark).exists():
            raise InputError(f"{folder / self.mark} is there already", fix="give another --out")

    def has(self, folder: Path, name: str) -> bool:
        return False

    def add(self, folder: Path, labelled: Labelled, labels: Sequence[str]) -> None:
        self.rows.append(labelled)


class Coco(_OneFile):
    """annotations.json; every box keeps its score."""

    mark = "annotations.json"

    def finish(self, folder: Path, labels: Sequence[str]) -> None:
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number, row in enumerate(self.rows, start=1):
            images.append({"id": number, "file_name": row.name, "height": row.height, "width": row.width})
            for label, (left, top, right, bottom), score in _rows(row, labels):
                box = [left, top, right - left, bottom - top]
                ids = {"id": len(annotations) + 1, "image_id": number, "category_id": labels.index(label) + 1}
                annotations.append({**ids, "bbox": box, "area": box[2] * box[3], "iscrowd": 0, "score": score})
        categories = [{"id": index, "name": label} for index, label in enumerate(labels, start=1)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_text(folder / self.mark, to_json(content))


class LabelStudio(_OneFile):
    """predictions.json: tasks to import, with pre-annotations; the pictures come from local storage."""

    mark = "predictions.json"

    def finish(self, folder: Path, labels: Sequence[str]) -> None:
        tasks = []
        for row in self.rows:
            results: list[dict[str, Any]] = []
            for number, (label, (left, top, right, bottom), score) in enumerate(_rows(row, labels)):
                value = {"x": left / row.width, "y": top / row.height}
                value |= {"width": (right - left) / row.width, "height": (bottom - top) / row.height}
                results.append(
                    {
                        "id": f"box{number}",
                        "type": "rectanglelabels",
                        "from_name": "label",
                        "to_name": "image",
                        "original_width": row.width,
                        "original_height": row.height,
                        "image_rotation": 0,
                        "score": score,
                        "value": {**{key: 100 * part for key, part in value.items()}, "rotation": 0,
                                  "rectanglelabels": [label]},
                    }
                )  # fmt: skip
            prediction = {"model_version": "edgessd", "result": results}
            image = f"/data/local-files/?d={quote(f'{folder.name}/{self.images}/{row.name}', errors='surrogateescape')}"
            tasks.append({"data": {"image": image}, "predictions": [prediction]})
        write_text(folder / self.mark, to_json(tasks, indent=1))


FORMATS: dict[str, type[Voc] | type[Yolo] | type[Coco] | type[LabelStudio]] = {
    "voc": Voc,
    "yolo": Yolo,
    "coco": Coco,
    "label-studio": LabelStudio,
}


def refuse_other(folder: Path, writer: Writer) -> None:
    """Raise InputError for a folder with labels of another form: readers would use one and ignore the other."""
    for form, kind in FORMATS.items():
        if not isinstance(writer, kind) and (folder / kind.mark).exists():
            raise InputError(f"{folder} holds labels as {form} ({kind.mark})", fix=f"--format {form}, or another --out")


def _file(folder: Path, part: str, name: str, suffix: str) -> Path:
    return folder / part / f"{Path(name).stem}{suffix}"


def _rows(labelled: Labelled, labels: Sequence[str]) -> list[tuple[str, tuple[float, float, float, float], float]]:
    """Return label, box (pixels, xyxy) and score of what was found, the boxes within the picture."""
    found, rows = labelled.found, []
    for index, box_xyxy, score in zip(
        found.classes.tolist(), found.boxes_xyxy.tolist(), found.scores.tolist(), strict=True
    ):
        left, right = (min(max(edge, 0.0), float(labelled.width)) for edge in box_xyxy[::2])
        top, bottom = (min(max(edge, 0.0), float(labelled.height)) for edge in box_xyxy[1::2])
        if right - left >= 1 and bottom - top >= 1:
            rows.append((labels[index], (left, top, right, bottom), round(score, 4)))
    return rows
