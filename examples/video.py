"""A video, frame by frame: count the boxes of each label.

`edgessd detect video.mp4 --out annotated.mp4` writes the annotated video.

python examples/video.py video.mp4
"""

import sys
from collections import Counter

from edgessd import Detector, frames

seen: Counter[str] = Counter()
with Detector() as detector:
    for frame in frames(sys.argv[1]):
        found = detector.detect(frame)
        seen.update(detector.card.labels[index] for index in found.classes)
for label, count in seen.most_common():
    print(label, count)
