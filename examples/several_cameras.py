"""Several cameras through one detector; a camera that fails is reconnected and does not affect the others.

python examples/several_cameras.py door=rtsp://10.0.0.5/live yard=http://10.0.0.6/mjpeg
"""

import sys

from edgessd import Detector, Streams

WORKERS = 2

with Detector(workers=WORKERS) as detector, Streams(detector, workers=WORKERS) as streams:
    for argument in sys.argv[1:]:
        name, _, address = argument.partition("=")
        streams.add(name, address)
    for result in streams:  # results of one stream come in the order of its frames
        print(result.frame.source, result.frame.index, len(result.detections), f"{result.age * 1000:.0f} ms")
