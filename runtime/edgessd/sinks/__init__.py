"""Where results go. ``detect`` writes to a ``Sink`` as it consumes; ``run`` gives each ``StreamSink`` a queue."""

from edgessd.sinks.images import ImageSink as ImageSink
from edgessd.sinks.lines import JsonlSink as JsonlSink
from edgessd.sinks.lines import result_as_json as result_as_json
from edgessd.sinks.video import CODECS as CODECS
from edgessd.sinks.video import VideoSink as VideoSink
from edgessd.sinks.window import WindowClosed as WindowClosed
from edgessd.sinks.window import WindowSink as WindowSink
