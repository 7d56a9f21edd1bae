"""The engine alone on our graph: what is left when our resizing, decoding and NMS are taken away."""

from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np

from comparison.entry import SAME_NETWORK, Entry, Frames, Opened
from comparison.macs import onnx_gmac
from edgessd.detector import StageTimes
from edgessd.model.card import card_of
from edgessd.model.preprocess import to_input

ENGINES = {"onnxruntime": "ONNX Runtime alone", "openvino": "OpenVINO alone"}


def bare_entries(model: Path) -> list[Entry]:
    """Return our first model by the engines as they come, their own defaults for threads and spinning."""
    precision = card_of(model).precision
    return [
        Entry(
            name=f"{name}, {model.stem} {precision}",
            group=SAME_NETWORK,
            family="bare",
            options={"model": str(model), "engine": engine},
            needs=(engine,),
            note="inference alone: no resize, no decoding, no NMS",
        )
        for engine, name in ENGINES.items()
        if find_spec(engine) and model.suffix == ".onnx"
    ]


def open_bare(model: str, engine: str) -> Opened:
    """Return the engine with its default settings; only OpenVINO's silent bf16 is turned off, as ours has it."""
    path = Path(model)
    card = card_of(path)
    names = list(card.outputs)
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, providers=onnxruntime.get_available_providers())

        def infer(images: np.ndarray) -> None:
            session.run(names, {"image": images})
    else:
        import openvino

        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

        def infer(images: np.ndarray) -> None:
            request.infer({"image": images}, share_inputs=True, share_outputs=True)

    def call(frames: Frames) -> StageTimes:
        images = np.stack([to_input(frame, card.height, card.width) for frame in frames])
        start = perf_counter()
        infer(images)
        return StageTimes(0.0, perf_counter() - start, 0.0)

    return Opened(call, gmac=onnx_gmac(path), precision=card.precision)
