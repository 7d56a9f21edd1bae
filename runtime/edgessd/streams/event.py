"""An event as sinks are told it: a track of a stream, in wall-clock time, with its best picture."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.tracking.events import TrackEvent

_MARGIN = 0.15  # of the box, on each side
_LONGEST_SIDE = 480


@dataclass(frozen=True)
class Event:
    """One moment of one track.

    id: the same for all events of the track, and no other's. wall_offset: what makes wall-clock time, seconds since
    1970, of the track's seconds. picture: BGR, around the box where it was seen best so far; None where no sink wants
    pictures.
    """

    id: str
    stream: str
    told: TrackEvent
    wall_offset: float
    picture: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def jpeg(self) -> bytes | None:
        """Return the picture as a JPEG file, encoded once for all sinks."""
        return None if self.picture is None else bytes(cv2.imencode(".jpg", self.picture)[1])

    def as_json(self) -> dict[str, Any]:
        """Return what is told of the track. ``event`` is "start", "update" or "end"; times are seconds since 1970."""
        told = self.told.as_json()
        times = {"time": told.pop("seconds"), "started": told.pop("started"), "last_seen": told.pop("last_seen")}
        return {
            "source": self.stream,
            "event": told.pop("kind"),
            "id": self.id,
            **{name: round(seconds + self.wall_offset, 3) for name, seconds in times.items()},
            **told,
        }


def picture_of(image: NDArray[np.uint8], box_xyxy: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """Return a copy of the frame around a box, with a margin, at most 480 pixels long."""
    height, width = image.shape[:2]
    left, top, right, bottom = box_xyxy
    wide, high = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    left, right = max(0, int(left - wide)), min(width, int(right + wide) + 1)
    top, bottom = max(0, int(top - high)), min(height, int(bottom + high) + 1)
    part: NDArray[np.uint8] = image[
        min(top, height - 1) : max(bottom, top + 1), min(left, width - 1) : max(right, left + 1)
    ]
    scale = _LONGEST_SIDE / max(part.shape[:2])
    if scale >= 1:
        return np.array(part)
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    shrunk: NDArray[np.uint8] = cv2.resize(part, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return shrunk
