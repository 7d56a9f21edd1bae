"""A camera's detections to an MQTT broker, until Ctrl-C. Topics: edgessd/door/detections, edgessd/door/state.

`edgessd run streams.toml` does the same without a program; see docs/howto/streams.md.

python examples/rtsp_to_mqtt.py rtsp://10.0.0.5/live localhost 1883
"""

import signal
import sys
from threading import Event

from edgessd import Detector, Streams
from edgessd.sinks.mqtt import Mqtt
from edgessd.streams import QueuedSink

address, host, port = sys.argv[1:]
stop = Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
with Detector() as detector:
    mqtt = Mqtt(detector.card.labels, host=host, port=int(port), only_detections=True)
    with Streams(detector, [QueuedSink("mqtt", mqtt)]) as streams:
        streams.add("door", address)
        streams.wait(stop)
