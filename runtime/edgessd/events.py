"""What tracks did: ``EventStore`` keeps and queries it, an ``Event`` at a time."""

from edgessd.sinks.event_store import EventStore
from edgessd.streams.event import Event

__all__ = ["Event", "EventStore"]
