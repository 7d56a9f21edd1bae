"""A data set as its files say, unjudged: what the three parsers return."""

from dataclasses import dataclass, field
from pathlib import Path

from edgessd_training.data.faults import Fault

Box = tuple[float, float, float, float]
_FLAGS = {"": False, "0": False, "0.0": False, "false": False, "no": False} | dict.fromkeys(
    ("1", "1.0", "true", "yes"), True
)


@dataclass(frozen=True)
class RawBox:
    """One annotated box.

    box_xyxy: pixels, continuous edges, NaN where a number is missing. drawn_wh: the extent as the file
    writes it, before any "+1". text: the file's own numbers, for messages. index: its place in the file.
    area: as annotated, None where the format has none. unclear: what is wrong with a flag that is neither yes nor no.
    """

    label: str
    box_xyxy: Box
    drawn_wh: tuple[float, float]
    text: str
    index: int
    difficult: bool = False
    crowd: bool = False
    area: float | None = None
    unclear: str = ""


@dataclass(frozen=True)
class RawImage:
    """One image; height and width in pixels as annotated, None where the file does not say.

    annotation: the file that describes it, which for COCO all images share; None for YOLO's background images.
    key: what names it there (VOC's id, COCO's image id, YOLO's file).
    """

    key: str
    file_name: str
    path: Path
    height: int | None
    width: int | None
    boxes: tuple[RawBox, ...]
    annotation: Path | None
    image_id: int | None = None


@dataclass
class RawSet:
    """One split as parsed. labels: None where the format lists none. faults: what already went wrong in parsing."""

    labels: tuple[str, ...] | None
    images: list[RawImage] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def quoted(text: str) -> str:
    """Return what a file says, short enough for a message."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def number(value: object) -> float:
    """Return a number from a file, NaN where it is none: "1_0" is one in Python alone."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return float("nan")
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def flag(value: object) -> bool | None:
    """Return a yes or no from a file, None where it is neither: ``bool("0")`` is True."""
    if value is None:
        return False
    if isinstance(value, (int, float)):
        return bool(value) if value in (0, 1) else None
    return _FLAGS.get(str(value).strip().lower())


def unclear(**values: object) -> str:
    """Return what is wrong with the first of some flags that is neither yes nor no, nothing where each is one."""
    wrong = [(name, value) for name, value in values.items() if flag(value) is None]
    return f"{wrong[0][0]} must be 0 or 1, got {quoted(str(wrong[0][1]))!r}" if wrong else ""


def whole(value: object) -> int | None:
    """Return a whole number, written as one, as 1.0 or as its text; None for another value."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def side(value: object) -> int | None:
    """Return an image's side in pixels, None where it is not a positive whole number."""
    size = number(value)
    return int(size) if 0 < size < 1 << 20 and size == int(size) else None
