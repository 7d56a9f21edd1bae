"""Where results go: each is a ``Sink``. ``detect`` writes to it as it consumes; ``run`` gives each a queue."""

from edgessd.sinks.images import ImageSink as ImageSink
from edgessd.sinks.records import JsonlSink as JsonlSink
from edgessd.sinks.records import result_as_json as result_as_json
from edgessd.sinks.video import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from edgessd.sinks.video import VideoSink as VideoSink
from edgessd.sinks.window import WindowSink as WindowSink
