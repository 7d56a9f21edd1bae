"""The pictures to label: the images of a folder, or every n-th frame of a video without those that look alike."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
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

_LONGEST_STEM = 200  # bytes


class Picture(NamedTuple):
    """name: of its file. content: where it lies, not read yet; or a video's frame, (H, W, 3) uint8 BGR."""

    name: str
    content: Path | NDArray[np.uint8]


class Left(NamedTuple):
    """A picture that is not labelled, and why."""

    name: str
    why: str


def pictures(data: str, every: int, written: Sequence[Path] = ()) -> Iterator[Picture | Left]:
    """Yield the pictures of a folder, or a video's frames, every n-th; the near-duplicate of the last kept is left out.

    written: files and folders that are our own and no input, as is what is hidden. Raises InputError for what is
    neither a folder nor a video, and for a live source.
    """
    folder = Path(data)
    if is_folder(folder):
        own = {path.resolve() for path in written}
        paths = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and own.isdisjoint((path.resolve(), *path.resolve().parents))
        )
        if not paths:
            raise InputError(f"the folder {folder} holds no image ({', '.join(SUFFIXES)})", fix="give another")
        stems = Counter(path.stem.casefold() for path in paths)
        for path in paths:
            unique = path.name if stems[path.stem.casefold()] == 1 else _name_of(path.relative_to(folder))
            yield Picture(unique, path)
        return
    yield from _frames(data, every)


def _name_of(path: Path) -> str:
    """Return a name that no other picture of the folder has: labels go by the name without its suffix."""
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    stem = os.fsdecode(os.fsencode("_".join([*path.parts[:-1], path.stem]))[:_LONGEST_STEM])
    return f"{stem}_{mark}{path.suffix}"


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
