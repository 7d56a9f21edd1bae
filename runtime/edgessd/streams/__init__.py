"""The frame path: any number of sources, each kept alive on its own, through one detector. ``Streams`` is its API."""

from edgessd.streams.lane import Stage as Stage
from edgessd.streams.policy import Policy as Policy
from edgessd.streams.reader import Reader as Reader
from edgessd.streams.result import Result as Result
from edgessd.streams.retry import Retry as Retry
from edgessd.streams.sink import Sink as Sink
from edgessd.streams.sink_queue import QueuedSink as QueuedSink
from edgessd.streams.status import State as State
from edgessd.streams.status import Status as Status
from edgessd.streams.streams import Streams as Streams
