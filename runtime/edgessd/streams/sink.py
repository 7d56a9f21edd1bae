"""What takes results."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.status import Status


class Counted(Protocol):
    """A sink's counters. dropped: results that a full queue lost; failed: those it could not write."""

    name: str
    dropped: int
    failed: int


class Overview(Protocol):
    """Who knows how streams and sinks are."""

    def statuses(self) -> list[Status]:
        """Return how every stream is now."""
        ...

    @property
    def sinks(self) -> Sequence[Counted]:
        """Return the sinks."""
        ...


class SinkClosed(Exception):
    """Who watched has seen enough: the window was closed, or the reader of standard output ended."""


class Sink(Protocol):
    """Takes results in order, and how streams are. ``needs_image``: whether it wants the frames' pixels.

    ``detect`` calls it as it goes; ``run`` gives each a queue, whose thread calls all its methods. A sink that is one
    by name inherits what it has no use for.
    """

    needs_image: bool = False

    def write(self, result: Result) -> None:
        """Take one result."""
        ...

    def report(self, status: Status) -> None:
        """Take the new state of a stream, and that of one that is away every ten seconds."""
        return

    def close(self) -> None:
        """Finish what was written, also after an error."""
        return


@runtime_checkable
class OverviewReader(Protocol):
    """A sink that asks how all streams and sinks are, when somebody asks it."""

    def watch(self, overview: Overview) -> None:
        """Learn whom to ask; before the first result."""
        ...


@runtime_checkable
class EventTaker(Protocol):
    """A sink that is told what happens to tracks. ``needs_pictures``: whether it wants the best picture of each."""

    needs_pictures: bool

    def tell(self, event: Event) -> None:
        """Take one event."""
        ...
