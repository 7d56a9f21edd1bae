"""Which pictures belong together: copies of one another, and the frames of one video."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgessd.util.cores import usable_cores
from edgessd.util.extras import need
from edgessd_training.data.images import image_bytes

SIDE = 16  # pixels of a sketch
# Root mean square difference of two sketches, each of mean 0 and deviation 1. Of 1,500 photographs of VOC2007 one
# neighbour by number in twenty is nearer than 0.85, of blood cells 0.7; every tenth frame of three videos 0.01 to 0.45.
COPY = 0.2
NEXT_FRAME = 0.4
VIDEO = 0.55  # median over the neighbours by number
FLAT = 8.0  # grey levels: noise of a blank picture is no structure
_CHUNK = 1024
_EXPORTED = re.compile(r"_(?:jpe?g|png|bmp)\.rf\.[0-9A-Za-z]+$")  # Roboflow: copies of one picture, each with a hash
_NUMBERED = re.compile(r"^(.*?)(\d+)\D*$")


class Groups(NamedTuple):
    """of: (N,) int64, the group of every picture. order: pictures sorted by folder, name and number."""

    of: NDArray[np.int64]
    order: list[int]


def sketches(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return each picture as 16 x 16 grey values of mean 0 and deviation 1, (N, 256) float32. Raises DataError."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return np.stack(list(pool.map(_sketch, paths)))


def same_picture(first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
    """Return whether two sketches are of one picture, or of a scene in which next to nothing has moved."""
    return float(np.mean((first - second) ** 2)) < COPY**2


def groups(paths: Sequence[Path], seen: NDArray[np.float32]) -> Groups:
    """Return which pictures must not be torn apart. seen: their ``sketches``."""
    parent = np.arange(len(paths))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = int(parent[index])
        return index

    def join(first: int, second: int) -> None:
        first, second = sorted((root(first), root(second)))
        parent[second] = first

    for first, second in _copies(seen):
        join(first, second)
    names = [_name(path) for path in paths]
    order = sorted(range(len(paths)), key=lambda index: (str(paths[index].parent), names[index], str(paths[index])))
    series: dict[tuple[str, str], list[int]] = {}
    for index in order:
        prefix, number = names[index]
        series.setdefault((str(paths[index].parent), prefix if number >= 0 else f"{prefix}/"), []).append(index)
    for members in series.values():
        steps = np.sqrt(np.mean((seen[members[1:]] - seen[members[:-1]]) ** 2, axis=1))
        video = len(members) > 2 and float(np.median(steps)) < VIDEO
        for first, second, step in zip(members[:-1], members[1:], steps, strict=True):
            if video or step < NEXT_FRAME or names[first] == names[second]:
                join(first, second)
    return Groups(np.array([root(index) for index in range(len(paths))], np.int64), order)


def _copies(seen: NDArray[np.float32]) -> list[tuple[int, int]]:
    squares = np.mean(seen**2, axis=1)
    pairs = []
    for start in range(0, len(seen), _CHUNK):
        part = seen[start : start + _CHUNK]
        distance = squares[start : start + _CHUNK, None] + squares[None, start:] - 2 * part @ seen[start:].T / SIDE**2
        pairs += [(start + int(row), start + int(column)) for row, column in np.argwhere(distance < COPY**2)]
    return [(first, second) for first, second in pairs if first < second]


def _name(path: Path) -> tuple[str, int]:
    """Return what stands before the last number of a file's name, and that number, -1 without one."""
    stem = _EXPORTED.sub("", path.stem)
    found = _NUMBERED.match(stem)
    return (found[1], int(found[2])) if found and len(found[2]) < 19 else (stem, -1)


def _sketch(path: Path) -> NDArray[np.float32]:
    cv2 = need("cv2", "eval")
    return sketch(cv2.imdecode(np.frombuffer(image_bytes(path), np.uint8), cv2.IMREAD_GRAYSCALE))


def sketch(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a grey picture as its sketch, (256,) float32."""
    cv2 = need("cv2", "eval")
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    return np.asarray((small - small.mean()) / (small.std() + FLAT), np.float32)
