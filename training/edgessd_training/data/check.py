"""Looks at every annotation and every image of one or several splits, and collects what is wrong."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.util.image_header import UPRIGHT, bits_per_sample, orientation
from edgessd_training.data.faults import (
    ALIKE_LABELS,
    BROKEN_IMAGE,
    DARK,
    LEAK,
    MISSING_IMAGE,
    REPEATED_IMAGE,
    SIZE_DIFFERS,
    TRUNCATED_IMAGE,
    TURNED,
    Fault,
)
from edgessd_training.data.images import BrokenImage, TruncatedImage, decode_image, image_bytes
from edgessd_training.data.judge import image_faults
from edgessd_training.data.raw import RawImage, RawSet
from edgessd_training.data.read import parse
from edgessd_training.data.source import Source

AHEAD = 64
_DARK = 32  # of 255: 12 bits in 16 end at 15


@dataclass(frozen=True)
class Checked:
    """One split with all that was found in it. labels: boxes by label, the rare ones worth a look."""

    source: Source
    parsed: RawSet
    faults: list[Fault]
    labels: Counter[str]

    @property
    def errors(self) -> int:
        """Return how many findings must be repaired."""
        return sum(fault.is_error for fault in self.faults)


@dataclass(frozen=True)
class _Pixels:
    """What decoding one image gave: its size and a hash of its pixels, or what is wrong with the file."""

    size_hw: tuple[int, int] | None = None
    digest: bytes = b""
    kind: str = ""
    detail: str = ""
    notes: tuple[tuple[str, str], ...] = ()


def check(
    sources: Sequence[Source],
    labels: Sequence[str] | None = None,
    *,
    readers: int = 2,
    on_images: Callable[[int], object] = lambda count: None,
    on_total: Callable[[int], object] = lambda total: None,
) -> list[Checked]:
    """Return the findings of every split; images shared by two splits are found by their pixels.

    labels: the names allowed; where None those that the format lists, and for VOC any. on_total, on_images: told
    how many images there are, and how many are done. Raises DataError when a data set cannot be read at all.
    """
    parsed_sets = [parse(source) for source in sources]
    on_total(sum(len(parsed.images) for parsed in parsed_sets))
    first_seen: dict[bytes, tuple[int, str]] = {}
    results = []
    with ThreadPoolExecutor(readers) as pool:
        for number, (source, parsed) in enumerate(zip(sources, parsed_sets, strict=True)):
            allowed = tuple(labels) if labels is not None else parsed.labels
            faults = list(parsed.faults)
            known_bad = {fault.image for fault in faults if fault.kind in (BROKEN_IMAGE, MISSING_IMAGE)}
            for start in range(0, len(parsed.images), AHEAD):
                part = parsed.images[start : start + AHEAD]
                for index, (image, pixels) in enumerate(zip(part, pool.map(_pixels, part), strict=True), start=start):
                    if index in known_bad:
                        continue
                    faults += _pixel_faults(image, index, pixels)
                    faults += image_faults(image, index, allowed, _size_hw(image, pixels))
                    faults += _repeats(image, index, pixels, number, sources, first_seen)
                on_images(len(part))
            counts = Counter(box.label for image in parsed.images for box in image.boxes)
            faults += _alike_labels([*counts, *(parsed.labels or ())])
            results.append(Checked(source, parsed, faults, counts))
    return results


def _pixels(image: RawImage) -> _Pixels:
    if not image.path.is_file():
        return _Pixels(kind=MISSING_IMAGE, detail=f"no image at {image.path}")
    try:
        content = image_bytes(image.path)
        decoded = decode_image(content, image.path)
    except TruncatedImage as error:
        return _Pixels(kind=TRUNCATED_IMAGE, detail=str(error))
    except (BrokenImage, DataError) as error:
        return _Pixels(kind=BROKEN_IMAGE, detail=str(error))
    height, width = decoded.shape[:2]
    digest = hashlib.blake2b(np.ascontiguousarray(decoded).data, digest_size=16, key=f"{height}x{width}".encode())
    return _Pixels((height, width), digest.digest(), notes=tuple(_notes(content, decoded)))


def _notes(content: bytes, decoded: NDArray[np.uint8]) -> Iterator[tuple[str, str]]:
    """Yield what surprises in a sound image."""
    if (turn := orientation(content)) != UPRIGHT:
        yield TURNED, f"orientation {turn}: boxes must have been drawn on the turned image; `data show` shows them"
    if bits_per_sample(content) == 16 and int(decoded.max()) < _DARK:
        yield DARK, f"16 bits a sample, none above {decoded.max()} of 255 in 8 bits: scale the values to 16 bits"


def _pixel_faults(image: RawImage, index: int, pixels: _Pixels) -> list[Fault]:
    if pixels.kind:
        return [Fault(pixels.kind, image.file_name, pixels.detail, index)]
    notes = [Fault(kind, image.file_name, detail, index) for kind, detail in pixels.notes]
    annotated_hw = (image.height, image.width)
    if pixels.size_hw and None not in annotated_hw and annotated_hw != pixels.size_hw:
        height, width = pixels.size_hw
        detail = f"the image has {width}x{height} pixels, the annotation says {image.width}x{image.height}"
        return [*notes, Fault(SIZE_DIFFERS, image.file_name, detail, index)]
    return notes


def _alike_labels(labels: Iterable[str]) -> Iterator[Fault]:
    """Yield the labels that differ only in case or white space: the network would learn them as several classes."""
    same: dict[str, list[str]] = {}
    for label in dict.fromkeys(labels):
        same.setdefault(" ".join(label.casefold().split()), []).append(label)
    for group in same.values():
        if len(group) > 1:
            yield Fault(ALIKE_LABELS, ", ".join(map(repr, group)), "several classes: correct the names if one is meant")


def _size_hw(image: RawImage, pixels: _Pixels) -> tuple[int, int] | None:
    """Return the size that boxes were drawn in: the annotated one, else the image's."""
    if image.height is not None and image.width is not None:
        return image.height, image.width
    return pixels.size_hw


def _repeats(
    image: RawImage,
    index: int,
    pixels: _Pixels,
    number: int,
    sources: Sequence[Source],
    first_seen: dict[bytes, tuple[int, str]],
) -> list[Fault]:
    if not pixels.digest:
        return []
    if pixels.digest not in first_seen:
        first_seen[pixels.digest] = (number, image.file_name)
        return []
    earlier, name = first_seen[pixels.digest]
    kind = REPEATED_IMAGE if earlier == number else LEAK
    return [Fault(kind, image.file_name, f"the same pixels as {name} of {sources[earlier]}", index)]
