"""A data set as its files say, unjudged: what the three parsers return."""

from dataclasses import dataclass, field
from pathlib import Path

from edgessd_training.data.faults import Fault

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class RawBox:
    """One annotated box.

    box_xyxy: pixels, continuous edges, NaN where a number is missing. drawn_wh: the extent as the file
    writes it, before any "+1". text: the file's own numbers, for messages. index: its place in the file.
    area: as annotated, None where the format has none.
    """

    label: str
    box_xyxy: Box
    drawn_wh: tuple[float, float]
    text: str
    index: int
    difficult: bool = False
    crowd: bool = False
    area: float | None = None


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
    word = str(value).strip().lower()
    return {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True, "": False}.get(word)


def whole(value: object) -> int | None:
    """Return a whole number, written as one or as its text; None for another value."""
    if isinstance(value, str) and value.isascii() and value.strip().isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def side(value: object) -> int | None:
    """Return an image's side in pixels, None where it is not a positive whole number."""
    size = number(value)
    return int(size) if 0 < size < 1 << 20 and size == int(size) else None
