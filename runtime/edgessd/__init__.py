"""edgessd: SSD object detection on an edge device.

The letters used in every shape: B batch, P priors, C classes (background not counted), M ground-truth
boxes, N detections, K kept candidates, H height, W width. Boxes carry their format in the name:
``boxes_xyxy`` (left, top, right, bottom), ``priors_cxcywh`` (centre, width, height), ``offsets`` (what the
network regresses). Inside the network's world boxes are fractions of the image; a ``Detector`` returns
pixels of the frame, x to the right, y down, continuous edges (the first pixel is 0, 0, 1, 1).
"""

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Read by OpenCV when it loads: a broken file or an absent camera is our one-line error, not a page of FFmpeg's.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
# The second guard of util/image_header.py, for formats and headers that only the decoder knows. OpenCV allows 1 << 30.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
# Read at every opening. TCP: a lost packet is sent again instead of smearing the picture. FFmpeg otherwise
# listens to a camera for five seconds before it gives the first frame.
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|analyzeduration;500000")

logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library is silent until somebody listens

if TYPE_CHECKING:
    from edgessd.detector import Detector as Detector
    from edgessd.model.card import ModelCard as ModelCard
    from edgessd.model.detections import Detections as Detections
    from edgessd.model.postprocess import PostProcess as PostProcess
    from edgessd.sinks.draw import draw as draw
    from edgessd.sources import frames as frames
    from edgessd.streams import Streams as Streams

__version__ = "0.2.0"

# Imported on first use, so that `edgessd --help` and the data verbs need no OpenCV.
_EXPORTS = {
    "ModelCard": "edgessd.model.card",
    "Detections": "edgessd.model.detections",
    "Detector": "edgessd.detector",
    "PostProcess": "edgessd.model.postprocess",
    "Streams": "edgessd.streams",
    "draw": "edgessd.sinks.draw",
    "frames": "edgessd.sources",
}
__all__ = ["Detections", "Detector", "ModelCard", "PostProcess", "Streams", "__version__", "draw", "frames"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'edgessd' has no attribute {name!r}")
