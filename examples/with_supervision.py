"""Detections as supervision has them: its annotators, trackers and zones take them. pip install supervision

python examples/with_supervision.py street.jpg annotated.jpg
"""

import sys

import cv2
import supervision as sv

from edgessd import Detector

source, target = sys.argv[1:]
image = cv2.imread(source)
with Detector() as detector:
    found = detector.detect(image).to_supervision(detector.card.labels)
annotated = sv.RoundBoxAnnotator().annotate(image.copy(), found)
annotated = sv.LabelAnnotator().annotate(annotated, found)
cv2.imwrite(target, annotated)
print(len(found), "boxes:", *found.data["class_name"])
