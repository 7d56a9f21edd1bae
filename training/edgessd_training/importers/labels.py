"""Label files: text, one label a line, in the order of the model's classes."""

from pathlib import Path

from edgessd.errors import InputError
from edgessd.files import readable

MAX_BYTES = 1 << 20
# How the label files of the old repositories call their first line.
BACKGROUND_NAMES = ("???", "background", "__background__")


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels without the background, which is dropped where it stands in the first line.

    A ``???`` further down (an id that COCO left out) gets a name of its own. Raises InputError for a file
    that is not text, has an empty line between labels, or no label.
    """
    readable(path, "label file")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"label file {path} is larger than {MAX_BYTES} bytes: give a text file, a label a line")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"label file {path} is not text: give a UTF-8 file, a label a line") from error
    if not all(lines):
        raise InputError(f"label file {path} has an empty line {lines.index('') + 1}: a class without a name")
    first = 1 if lines and lines[0].lower() in BACKGROUND_NAMES else 0
    labels = [f"unused {number}" if line == "???" else line for number, line in enumerate(lines)][first:]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"label file {path} has {repeated[0]!r} twice: every class needs a name of its own")
    if not labels:
        raise InputError(f"label file {path} holds no label: give a text file, a label a line")
    return tuple(labels)


def checked_labels(labels: tuple[str, ...], classes: int, where: Path) -> tuple[str, ...]:
    """Return the labels when there are as many as the weights have classes. Raises InputError."""
    if len(labels) != classes:
        raise InputError(
            f"{where} has {classes} classes without the background, but {len(labels)} labels were given: "
            "give the label file it was trained with by --labels"
        )
    return labels
