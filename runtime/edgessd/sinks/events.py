"""Events kept in a database with their pictures."""

from edgessd.sinks.event_store import EventStore
from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink


class EventSink(Sink):
    """Keeps what tracks did; who shows it asks ``EventStore.query`` of the same file."""

    needs_pictures = True

    def __init__(self, store: EventStore) -> None:
        """What a killed process left open is ended. Raises StoreFault."""
        self._store = store
        store.end_open()

    def tell(self, event: Event) -> None:
        self._store.add(event)

    def write(self, result: Result) -> None:
        """A frame is no event."""

    def close(self) -> None:
        self._store.close()
