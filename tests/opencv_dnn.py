"""Detections of OpenCV's DNN module as JSON: `python opencv_dnn.py MODEL IMAGE...` in an environment of any OpenCV."""

import json
import sys
from typing import Any

import cv2

from edgessd.detector import decoder_for
from edgessd.model.card import card_of
from edgessd.model.postprocess import REALTIME
from edgessd.model.preprocess import to_input
from edgessd.model.shipped import model_path


def detected(model: str, images: list[str]) -> list[list[dict[str, Any]]]:
    """Return what OpenCV's DNN module finds, fed with uint8 as the file says."""
    path = model_path(model)
    card = card_of(path)
    network, decode = cv2.dnn.readNetFromONNX(str(path)), decoder_for(card, REALTIME)
    found = []
    for image in images:
        frame = cv2.imread(image)
        network.setInput(to_input(frame, card.height, card.width)[None], "image")
        offsets, scores = network.forward(["offsets", "scores"])
        found.append(decode(offsets[0], scores[0], *frame.shape[:2]).as_json(card.labels))
    return found


if __name__ == "__main__":
    print(json.dumps({"opencv": cv2.__version__, "found": detected(sys.argv[1], sys.argv[2:])}))
