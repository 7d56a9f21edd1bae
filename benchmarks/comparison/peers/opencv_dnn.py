"""OpenCV's own inference engine running our ONNX file, with our decoding and NMS."""

from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

from comparison.entry import SAME_NETWORK, Entry, Frames, Opened
from comparison.macs import onnx_gmac
from comparison.ours import is_random
from comparison.scene import scene_scores
from edgessd.detector import StageTimes, decoder_for
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.card import card_of
from edgessd.model.postprocess import REALTIME
from edgessd.model.preprocess import to_input
from edgessd.model.priors import generate


def opencv_entries(models: list[Path]) -> list[Entry]:
    """Return OpenCV DNN with each of our ONNX files of contract ``raw``."""
    return [
        Entry(
            name=f"OpenCV DNN, {model.stem} {card.precision}",
            group=SAME_NETWORK,
            family="opencv",
            options={"model": str(model)},
            note="our graph, decoding and NMS",
        )
        for model in models
        if model.suffix == ".onnx" and (card := card_of(model)).contract == "raw"
    ]


def open_opencv(model: str) -> Opened:
    """Return the network in OpenCV, whose outputs go through our decoder. Raises cv2.error for a graph it refuses."""
    path = Path(model)
    card = card_of(path)
    net = cv2.dnn.readNetFromONNX(model)
    decode = decoder_for(card, REALTIME)
    priors_cxcywh = generate(card.priors)
    scene = scene_scores(cxcywh_to_xyxy(priors_cxcywh), len(card.labels)) if is_random(card) else None

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        images = np.stack([to_input(frame, card.height, card.width) for frame in frames])
        resized = perf_counter()
        net.setInput(images)
        offsets, scores = net.forward(list(card.outputs))
        inferred = perf_counter()
        for index, frame in enumerate(frames):
            decode(offsets[index], scores[index] if scene is None else scene, *frame.shape[:2])
        return StageTimes(resized - start, inferred - resized, perf_counter() - inferred)

    return Opened(call, gmac=onnx_gmac(path), precision=card.precision)
