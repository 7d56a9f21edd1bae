"""Any number of sources, each kept alive on its own, through one detector: ``Streams`` is the Python API."""

from edgessd.streams.reader import Reader as Reader
from edgessd.streams.result import Result as Result
from edgessd.streams.retry import Patience as Patience
from edgessd.streams.sink import Sink as Sink
from edgessd.streams.sink import StreamSink as StreamSink
from edgessd.streams.sink_queue import QueuedSink as QueuedSink
from edgessd.streams.status import State as State
from edgessd.streams.status import Status as Status
from edgessd.streams.streams import Streams as Streams
