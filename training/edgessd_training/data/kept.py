"""What a repaired copy keeps of an image."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgessd.util.files import make_folder, replacing, status
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
    """Give an image a second name, or copy it whole where the file system allows no link. Raises InputError."""
    make_folder(target.parent)
    if status(target):
        return
    try:
        os.link(source.resolve(), target)
    except OSError:
        with replacing(target) as unfinished:
            shutil.copyfile(source, unfinished)
