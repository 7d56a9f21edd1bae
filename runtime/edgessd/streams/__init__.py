"""Any number of sources, each kept alive on its own, through one detector: ``Streams`` is the Python API."""

from edgessd.patience import Patience as Patience
from edgessd.status import State as State
from edgessd.status import Status as Status
from edgessd.streams.reader import Reader as Reader
from edgessd.streams.streams import Streams as Streams
