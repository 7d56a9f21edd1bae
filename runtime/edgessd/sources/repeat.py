"""A source played again and again, as fast as it reads or as a camera would deliver it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edgessd.sources.frame import Choose, Frame, Selective, Source


@dataclass
class Repeated(Source):
    """A source without an end; with ``pace`` a camera that delivers so many frames a second."""

    source: Source
    pace: float | None = None
    name: str = field(init=False)
    live: bool = field(init=False)
    fps: float | None = field(init=False)
    frame_count: int | None = None
    choose: Choose | None = None

    def __post_init__(self) -> None:
        """Take over the source's name."""
        self.name = self.source.name
        self.live = self.source.live or self.pace is not None
        self.fps = self.pace or self.source.fps

    def close(self) -> None:
        self.source.close()

    def frames(self) -> Iterator[Frame]:
        """Yield frames without end. A paced frame's capture is the moment a camera would have delivered it."""
        if isinstance(self.source, Selective):
            self.source.choose = self.choose
        index = 0
        start = time.monotonic()
        while True:
            for frame in self.source.frames():
                captured = frame.captured_at
                if self.pace:
                    due = start + index / self.pace
                    time.sleep(max(0.0, due - time.monotonic()))
                    captured = max(due, captured) if captured <= due else captured
                yield replace(frame, index=index, captured_at=captured)
                index += 1
