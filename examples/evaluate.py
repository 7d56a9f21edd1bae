"""mAP of a model on a data set, by VOC's rules. `edgessd eval MODEL --data DATA` does the same and more.

python examples/evaluate.py model.onnx voc:DATA@test
"""

import sys

from edgessd import Detector
from edgessd.model.postprocess import EVALUATION
from edgessd_training.data.read import read_data
from edgessd_training.metrics.evaluate import evaluate

model, text = sys.argv[1:]
with Detector(model, settings=EVALUATION) as detector:
    data = read_data(text, labels=detector.card.labels)
    result = evaluate(detector.detect_batch, data, "voc07")
for label, precision in result.figures["per_class"].items():
    print(label, "no boxes" if precision is None else round(precision, 4))
print("mAP (voc07)", round(result.figures["mAP"], 4))
