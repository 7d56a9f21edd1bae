"""What happened: events of tracks with their picture, and the database that keeps them."""

from edgessd.events.event import Event as Event
from edgessd.events.store import EventStore as EventStore
