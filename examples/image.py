"""One image: print what is in it and save it with boxes.

python examples/image.py street.jpg annotated.jpg
"""

import sys

import cv2

from edgessd import Detector, draw

source, target = sys.argv[1:]
image = cv2.imread(source)
with Detector() as detector:  # the shipped model; or Detector("yours.onnx")
    found = detector.detect(image)
for row in found.as_json(detector.card.labels):
    print(row["label"], row["score"], row["box"])
cv2.imwrite(target, draw(image, found, detector.card.labels))
