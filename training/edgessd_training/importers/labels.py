"""Label files: text, one label a line, in the order of the model's classes."""

from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.files import readable

MAX_BYTES = 1 << 20
# How the label files of the old repositories call their first line.
BACKGROUND_NAMES = ("???", "background", "__background__")

VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
# COCO's category ids 1 to 90; ids that never had a category are None.
COCO_IDS = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", None, "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep"),
    *("cow", "elephant", "bear", "zebra", "giraffe", None, "backpack", "umbrella", None, None),
    *("handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"),
    *("baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", None, "wine glass", "cup", "fork"),
    *("knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog"),
    *("pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", None, "dining table", None),
    *(None, "toilet", None, "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave"),
    *("oven", "toaster", "sink", "refrigerator", None, "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
COCO_80 = tuple(name for name in COCO_IDS if name)
COCO_90 = tuple(name or f"unused {number}" for number, name in enumerate(COCO_IDS, start=1))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels without the background, which is dropped where it stands in the first line.

    A ``???`` further down (an id that COCO left out) gets a name of its own. Raises InputError for a file
    that is not text, has an empty line between labels, or no label.
    """
    readable(path, "label file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"label file {path} is larger than {MAX_BYTES} bytes", fix="give a text file, a label a line")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"label file {path} is not text", fix="give a UTF-8 file, a label a line") from error
    if not all(lines):
        raise InputError(f"label file {path} has an empty line {lines.index('') + 1}", fix="a class without a name")
    first = 1 if lines and lines[0].lower() in BACKGROUND_NAMES else 0
    labels = [f"unused {number}" if line == "???" else line for number, line in enumerate(lines)][first:]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"label file {path} has {repeated[0]!r} twice", fix="every class needs a name of its own")
    if not labels:
        raise InputError(f"label file {path} holds no label", fix="give a text file, a label a line")
    return tuple(labels)


def checked_labels(labels: tuple[str, ...], classes: int, where: Path) -> tuple[str, ...]:
    """Return the labels when there are as many as the weights have classes. Raises InputError."""
    if len(labels) != classes:
        raise InputError(
            f"{where} has {classes} classes without the background, but {len(labels)} labels were given",
            fix="give the label file it was trained with by --labels",
        )
    return labels


def labels_for(classes: int, labels_path: Path | None, where: Path) -> tuple[str, ...]:
    """Return the labels of a file, or where none is given those of the data set with that many classes.

    20 classes are VOC's, 80 COCO's in order, 90 COCO's by id. Raises InputError when that leaves a doubt.
    """
    if labels_path is not None:
        return checked_labels(read_labels(labels_path), classes, where)
    known = {len(labels): labels for labels in (VOC, COCO_80, COCO_90)}
    if classes not in known:
        raise InputError(
            f"{where} has {classes} classes, neither VOC's 20 nor COCO's", fix="name them by --labels FILE"
        )
    return known[classes]
