"""Train on your own images and export the result. `edgessd train DATA` and `edgessd export` do the same.

DATA is a folder or a zip as annotation tools write it: VOC, LabelImg, Roboflow, CVAT, COCO or YOLO.

python examples/train.py DATA runs/mine model.onnx
"""

import sys
from pathlib import Path

from edgessd_export.write import export_onnx
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.run.own_data import train_on

if __name__ == "__main__":  # worker processes import this file
    data, out, onnx, *changes = sys.argv[1:]  # changes: keys of the recipe, such as epochs=20
    folder = train_on(data, Path(out), recipe=None, changes=changes, minutes=None, resume=False, say=print)
    card = export_onnx(load_checkpoint(folder.best), Path(onnx))
    print(onnx, "finds", *card.labels)
