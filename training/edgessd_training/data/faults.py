"""What can be wrong with a data set, one name a fault; the names are those `edgessd data check` prints."""

from dataclasses import dataclass

MISSING_ANNOTATION = "missing annotation"
BROKEN_ANNOTATION = "broken annotation"
UNSAFE_PATH = "unsafe path"
LISTED_TWICE = "listed twice"
UNKNOWN_IMAGE = "unknown image"
UNKNOWN_LABEL = "unknown label"
MISSING_IMAGE = "missing image"
BROKEN_IMAGE = "broken image"
TRUNCATED_IMAGE = "truncated image"
SIZE_DIFFERS = "size differs"
DAMAGED_BOX = "damaged box"
INVERTED_BOX = "inverted box"
EMPTY_BOX = "empty box"
ZERO_AREA_BOX = "zero-area box"
BOX_OUTSIDE = "box outside"
FIRST_PIXEL = "box in the first pixel"
DUPLICATED_BOX = "duplicated box"
LEAK = "same image in two splits"

BOX_OVER_EDGE = "box over the edge"
SIZE_MISSING = "size missing"
NO_BOXES = "image without boxes"
REPEATED_IMAGE = "same image twice"
ID_GAP = "category-id gap"
NOT_READ = "not read"
UNUSED_LABEL = "unused label"
ALIKE_LABELS = "labels alike"
SHARED_LABELS = "labels of two images"
TURNED = "turned by EXIF"
DARK = "nearly black"

# Sound as they stand, though they may surprise: printed, but not counted as errors.
NOTES = frozenset(
    {
        BOX_OVER_EDGE,
        SIZE_MISSING,
        NO_BOXES,
        REPEATED_IMAGE,
        ID_GAP,
        NOT_READ,
        UNUSED_LABEL,
        ALIKE_LABELS,
        SHARED_LABELS,
        TURNED,
        DARK,
    }
)


@dataclass(frozen=True)
class Fault:
    """One finding.

    where: the file, and what in it. detail: the rule and the value. image: its index in the RawSet;
    box: its index among the image's boxes; both None where the fault belongs to neither.
    """

    kind: str
    where: str
    detail: str
    image: int | None = None
    box: int | None = None

    @property
    def is_error(self) -> bool:
        """Return whether the data must be repaired."""
        return self.kind not in NOTES
