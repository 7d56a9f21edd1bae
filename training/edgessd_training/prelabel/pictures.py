"""The pictures to label: the images of a folder, or every n-th frame of a video without those that look alike."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.sources import open_source
from edgessd.util.files import is_folder
from edgessd.util.names import file_name
from edgessd_training.data.alike import same_picture, sketch
from edgessd_training.data.images import SUFFIXES


class Picture(NamedTuple):
    """name: of its file. content: where it lies, not read yet; or a video's frame, (H, W, 3) uint8 BGR."""

    name: str
    content: Path | NDArray[np.uint8]


class Left(NamedTuple):
    """A picture that is not labelled, and why."""

    name: str
    why: str


def pictures(data: str, every: int) -> Iterator[Picture | Left]:
    """Yield the pictures of a folder, or a video's frames, every n-th; the near-duplicate of the last kept is left out.

    Raises InputError for what is neither, and for a live source.
    """
    folder = Path(data)
    if is_folder(folder):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise InputError(f"the folder {folder} holds no image ({', '.join(SUFFIXES)})", fix="give another")
        names = Counter(path.name for path in paths)
        for path in paths:
            unique = path.name if names[path.name] == 1 else "_".join(path.relative_to(folder).parts)
            yield Picture(unique, path)
        return
    yield from _frames(data, every)


def _frames(data: str, every: int) -> Iterator[Picture | Left]:
    last = None
    with open_source(data) as source:
        if source.live:
            raise InputError(f"{source.name} has no end", fix="record it first, or give a video or a folder")
        stem = file_name(Path(source.name).stem)
        for frame in source.frames():
            if frame.index % every:
                continue
            name = f"{stem}_{frame.index:06}.jpg"
            seen = sketch(np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8))
            if last is not None and same_picture(seen, last):
                yield Left(name, "it looks like the frame before")
                continue
            last = seen
            yield Picture(name, frame.image)
