"""A live source that outlives its connection."""

from collections.abc import Callable

from edgessd.sources import Source
from edgessd.streams.reader import Reader


def lasting(source: Source, reopen: Callable[[], Source], *, policy: str | None) -> Source:
    """Return a file as it is, and a live source, already opened, behind a reader that connects again."""
    if not source.live:
        return source
    opened = [source]

    def connect() -> Source:
        return opened.pop() if opened else reopen()

    reader = Reader(source.name, connect, policy=policy)
    reader.fps = source.fps
    return reader
