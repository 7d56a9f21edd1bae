"""PaddleDetection's PicoDet-S as it is published, COCO's 80 classes, where its files are at hand (see README)."""

from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comparison.entry import PEER, Accuracy, Entry, Frames, Opened
from comparison.macs import onnx_gmac
from edgessd.detector import StageTimes
from edgessd.model.card import ModelCard
from edgessd.model.postprocess import REALTIME, RawDecoder
from edgessd.model.priors import generate
from edgessd_training.networks.prior_layouts import cells_spec

WEIGHTS = Path(__file__).resolve().parents[4] / "shared/data/weights"
# voc07 mAP on our 500 validation images, as ours: weights untouched, COCO's names mapped (docs: the shipped models).
ON_VAL = {320: 71.5, 416: 74.8}
ON_TEST = {320: 73.5, 416: 75.6}
ENGINES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}
STRIDES = (8, 16, 32, 64)
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
SCORE = 0.3


def picodet_entries(weights: Path = WEIGHTS) -> list[Entry]:
    """Return both sizes in both engines, those whose file is there; fp32: plain int8 leaves 0.21 of its mAP of 0.73."""
    return [
        Entry(
            name=f"PicoDet-S {size} fp32 ({engine})",
            group=PEER,
            family="picodet",
            options={"model": str(path), "engine": engine, "size": size},
            accuracy=Accuracy(percent, "voc07", "measured on VOC2007 trainval, val, names mapped", measured=True),
            needs=(engine,),
            note=f"PaddleDetection's COCO weights; on the official VOC2007 test {ON_TEST[size]}",
        )
        for size, percent in ON_VAL.items()
        if (path := weights / f"picodet_s_{size}_coco.onnx").exists()
        for engine in ENGINES
    ]


def open_picodet(model: str, engine: str, size: int) -> Opened:
    """Return the network in an engine, its frames resized and normalised by OpenCV, its boxes through our decoder."""
    infer = _engine(model, engine)
    spec = cells_spec(size, size, [(-(-size // stride),) * 2 for stride in STRIDES], STRIDES)
    labels = tuple(str(number) for number in range(80))
    card = ModelCard(
        name="picodet", labels=labels, height=size, width=size, priors=spec, activation="sigmoid", coding="ltrb"
    )
    decode = RawDecoder(card, generate(spec), REALTIME)
    bins = np.arange(8, dtype=np.float32)

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        rows = []
        for frame in frames:
            pixels = cv2.cvtColor(cv2.resize(frame, (size, size)), cv2.COLOR_BGR2RGB)
            rows.append(((pixels - MEAN) / STD).transpose(2, 0, 1))
        images = np.ascontiguousarray(rows)
        resized = perf_counter()
        answers = [infer(image[None]) for image in images]
        inferred = perf_counter()
        for frame, outputs in zip(frames, answers, strict=True):
            scores, sides = (np.concatenate(part, axis=1)[0] for part in (outputs[:4], outputs[4:]))
            offsets = np.zeros((len(scores), 4), np.float32)
            found = scores.max(axis=1) > SCORE
            steps = np.exp(sides[found].reshape(-1, 4, len(bins)))
            offsets[found] = (steps / steps.sum(axis=-1, keepdims=True)) @ bins
            decode(offsets, scores, *frame.shape[:2])
        return StageTimes(resized - start, inferred - resized, perf_counter() - inferred)

    return Opened(call, gmac=onnx_gmac(Path(model)))


def _engine(model: str, engine: str) -> Any:
    """Return a function, (1, 3, H, W) float32 to the file's eight outputs, by the engine's defaults."""
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda image: session.run(None, {name: image})
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()

    def infer(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        request.infer([image], share_inputs=True)
        return [request.get_output_tensor(place).data for place in range(len(compiled.outputs))]

    return infer
