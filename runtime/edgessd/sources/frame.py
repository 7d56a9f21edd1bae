"""A frame, and what a source of frames is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgessd.util.text_enum import TextEnum


class Skip(TextEnum):
    """Why a frame is not detected in. between: it lies between two that are. still: nothing has moved since one."""

    BETWEEN = "between"
    STILL = "still"


Region = tuple[tuple[int, int], tuple[int, int]]  # first and last corner, x, y in pixels


@dataclass(frozen=True)
class Frame:
    """One frame and when it came into being.

    image: (H, W, 3) uint8 BGR, blank where its source was told to skip the frame. index: its number in the source,
    from 0. captured_at: seconds of the monotonic clock at which the source delivered it. read_seconds: how long
    decoding took, None where it cannot be told from the wait for a camera. media_time: its place in its file in
    seconds, None outside a file. skip: None where it is detected in. chosen: whether its source has decided that.
    regions: parts of the picture that are detected in as well.
    """

    image: NDArray[np.uint8]
    source: str
    index: int
    captured_at: float
    read_seconds: float | None = 0.0
    media_time: float | None = None
    skip: Skip | None = None

    @property
    def seconds(self) -> float:
        """Return its time on the clock of its source: of the file, or of its capture where frames come live."""
        return self.captured_at if self.media_time is None else self.media_time

    @property
    def wall_time(self) -> float:
        """Return the seconds since 1970 of its capture."""
        return time.time() - (time.monotonic() - self.captured_at)

    chosen: bool = False
    regions: tuple[Region, ...] = ()


# Returns why a frame is skipped, None where it is detected in. Takes its time (s), and what returns its picture,
# (H, W, 3) uint8 BGR.
Choose = Callable[[float, Callable[[], NDArray[np.uint8]]], Skip | None]


class Source(Protocol):
    """A named stream of frames, and a context manager. ``frame_count`` is the header's word, perhaps not the truth.

    ``name`` never holds a password: it stands in every log, metric and result.
    """

    name: str
    live: bool
    fps: float | None = None
    frame_count: int | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends; closing the iterator frees the device or file."""
        ...

    def close(self) -> None:
        """Free the device, connection or program, also before the first frame. May be called twice."""
        return

    def __enter__(self) -> "Source":
        """Return the source itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


@runtime_checkable
class Interruptible(Protocol):
    """A source whose reading, when it hangs, another thread can end."""

    def interrupt(self) -> None:
        """Make a read that hangs return; the source is of no use afterwards."""
        ...


@runtime_checkable
class Selective(Protocol):
    """A source that makes no picture of a frame that is skipped, once it is given ``choose`` before the first frame.

    It may make some all the same, of its first frames for example.
    """

    choose: Choose | None


def blank(height: int, width: int) -> NDArray[np.uint8]:
    """Return the picture of a frame that nobody looks at: black, read-only, of no memory."""
    return np.broadcast_to(np.uint8(0), (height, width, 3))


def is_blank(image: NDArray[np.uint8]) -> bool:
    """Return whether a picture is one of ``blank``."""
    return not any(image.strides)
