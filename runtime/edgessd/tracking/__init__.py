"""Tracks of detected objects: ids, zones, lines, and what is told of them. NumPy only."""

from edgessd.tracking.lines import Line as Line
from edgessd.tracking.tracker import TrackerSettings as TrackerSettings
from edgessd.tracking.watch import Tracking as Tracking
from edgessd.tracking.watch import Tracks as Tracks
from edgessd.tracking.zones import Zone as Zone
