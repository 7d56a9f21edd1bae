"""Count who crosses the middle of the frame, and in which direction.

python examples/count_at_a_line.py video.mp4 person
"""

import sys

from edgessd import Detector, PostProcess, Streams
from edgessd.model.postprocess import FAINT
from edgessd.tracking import Line, Tracking

source, label = sys.argv[1:]
# Points are fractions of the frame. "in" goes from the line's left to its right, walking from start to end.
middle = Line("middle", start=(0.5, 1.0), end=(0.5, 0.0), classes=(label,))
# Boxes below the threshold keep a track alive, but are not reported.
settings = PostProcess(labels=(label,), faint=FAINT)
counts: dict[tuple[str, str], int] = {}
with Detector(settings=settings) as detector, Streams(detector) as streams:
    streams.add("video", source, track=Tracking(lines=(middle,)))
    for result in streams:
        if result.tracks:
            counts = dict(result.tracks.crossings["middle"])
for direction in ("in", "out"):
    print(direction, counts.get((direction, label), 0))
