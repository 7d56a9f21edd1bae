"""What a repaired copy keeps of an image."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgessd_training.data.raw import Box, RawImage


@dataclass(frozen=True)
class KeptImage:
    """One image of the copy. size_hw: pixels. boxes: what stays, by its place in the file, clipped where needed.

    clipped: the places whose edges changed.
    """

    image: RawImage
    size_hw: tuple[int, int]
    boxes: dict[int, Box]
    clipped: frozenset[int]


def place_image(source: Path, target: Path) -> None:
    """Give an image a second name, or copy it where the file system allows no link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
