"""What takes results."""

from typing import Protocol

from edgessd.pipeline import Result
from edgessd.status import Status


class Sink(Protocol):
    """Takes results in order; ``close`` finishes what was written, also after an error."""

    def write(self, result: Result) -> None:
        """Take one result."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class StreamSink(Sink, Protocol):
    """A sink of many streams, told also how they are. ``needs_image``: whether it wants the frames' pixels.

    All its methods are called by one thread, that of its queue.
    """

    needs_image: bool

    def report(self, status: Status) -> None:
        """Take the new state of a stream, and that of one that is away every ten seconds."""
        ...
