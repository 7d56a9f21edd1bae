"""How a stream is: what logs, metrics and sinks are told."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgessd.sources.frame import Skip
from edgessd.util.text_enum import TextEnum


class State(TextEnum):
    """connecting: no frame yet. live. stale: the last frame is too old. ended: it is over. failed: see its reason."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """A stream at one moment.

    reason: a short name of what is wrong, such as "authentication"; text: a line with the fix.
    last_frame_age: seconds since the capture of the last frame, None before the first. fps: of the frames read.
    frames: frames read; dropped: those that a newer one replaced; skipped: those that were not detected in, by
    reason, empty where every frame is; reconnects: connections after the first that gave a frame; over: nothing more
    will come, nor be tried.
    """

    name: str
    state: State
    reason: str | None
    text: str | None
    last_frame_age: float | None
    fps: float
    frames: int
    dropped: int
    reconnects: int
    over: bool
    skipped: Mapping[Skip, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with the wall-clock time (seconds since 1970)."""
        return {
            "source": self.name,
            "state": str(self.state),
            "reason": self.reason,
            "time": round(time.time(), 3),
            "last_frame_age_ms": None if self.last_frame_age is None else round(self.last_frame_age * 1e3),
            "frames": self.frames,
            "dropped": self.dropped,
            **({"skipped": {str(reason): count for reason, count in self.skipped.items()}} if self.skipped else {}),
            "reconnects": self.reconnects,
        }
