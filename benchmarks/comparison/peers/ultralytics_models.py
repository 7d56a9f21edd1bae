"""Ultralytics' nano models through their own predictor: PyTorch, and their exports to ONNX and OpenVINO."""

import os
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from comparison.entry import PEER, Accuracy, Entry, Frames, Opened, Played
from comparison.macs import torch_gmac
from comparison.peers.int8_exports import int8_onnx, int8_openvino
from comparison.scene import scene_scores
from edgessd.detector import StageTimes

# AP 0.5:0.95 at 640 pixels with their published weights.
PUBLISHED = {"yolo11n": 39.5, "yolo26n": 40.9}
FORMATS = {
    "torch": (),
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino", "onnx"),
    "onnx int8": ("onnx", "onnxruntime"),
    "openvino int8": ("openvino", "onnx", "nncf"),
}
SIZES = (320, 640)
INT8_SIZES = (320,)  # at 640 they are three times slower than anything here in any precision
WARM_UP = 10


def ultralytics_entries(work: Path, *, formats: tuple[str, ...] = tuple(FORMATS)) -> list[Entry]:
    """Return every nano model at every size in every format; exports are kept in ``work``."""
    return [
        Entry(
            name=f"Ultralytics {model} {size} ({form})",
            group=PEER,
            family="ultralytics",
            options={"model": model, "size": size, "form": form, "work": str(work)},
            accuracy=Accuracy(percent, "coco", "docs.ultralytics.com, COCO val2017") if size == 640 else None,
            needs=("torch", "ultralytics", *FORMATS[form]),
            note="random weights; post-processing fed a fixed scene",
        )
        for model, percent in PUBLISHED.items()
        for size in SIZES
        for form in formats
        if "int8" not in form or size in INT8_SIZES
    ]


def open_ultralytics(model: str, size: int, form: str, work: str) -> Opened:
    """Return the model in their predictor, its inference answering the scene after having computed."""
    folder = Path(work)
    # It would fetch fonts, weights and packages by itself otherwise.
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_CONFIG_DIR=work, YOLO_VERBOSE="false")
    os.chdir(folder)  # it exports into the current folder
    from ultralytics import YOLO

    yolo = YOLO(f"{model}.yaml", verbose=False)
    gmac = _gmac(yolo.model, size)
    if form != "torch":
        kind, _, precision = form.partition(" ")
        exported = folder / f"{model}_{size}{'.onnx' if kind == 'onnx' else '_openvino_model'}"
        if not exported.exists():
            made = Path(yolo.export(format=kind, imgsz=size, verbose=False))
            made.rename(exported)
        if precision:
            exported = (int8_onnx if kind == "onnx" else int8_openvino)(exported, size)
        yolo = YOLO(str(exported), task="detect", verbose=False)
    options = {"imgsz": size, "conf": 0.3, "verbose": False, "save": False}
    yolo.predict(np.zeros((720, 1280, 3), np.uint8), **options)
    answer_scene(yolo.predictor)

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        results = yolo.predict(list(frames), **options)
        total = perf_counter() - start
        times = [sum(result.speed[stage] for result in results) / 1e3 for stage in ("inference", "postprocess")]
        # What their own clocks leave out of the call is counted as preparation.
        return StageTimes(max(0.0, total - sum(times)), *times)

    def play(video: Path, frames: int) -> Played:
        """Their own way through a file: predict with stream=True."""
        counted, start, cpu = -WARM_UP, 0.0, 0.0
        while True:
            for _ in yolo.predict(str(video), stream=True, **options):
                counted += 1
                if counted == 0:
                    start, cpu = perf_counter(), process_time()
                if counted == frames:
                    return Played(frames, perf_counter() - start, process_time() - cpu)

    backend = yolo.predictor.model
    precision = "int8" if "int8" in form else _precision(backend)
    return Opened(call, gmac=gmac, precision=precision, device=backend.device.type, play=play)


def _precision(backend: Any) -> str:
    """Return bf16 where OpenVINO rounds to it by itself, as it does on CPUs that have it."""
    compiled = getattr(backend, "ov_compiled_model", None)
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").to_string() if compiled is not None else "f32"
    return "fp32" if hint == "f32" else hint


def _gmac(network: Any, size: int) -> float:
    import torch

    with torch.inference_mode():
        return torch_gmac(network.eval(), lambda: network(torch.zeros(1, 3, size, size)))


def answer_scene(predictor: Any) -> None:
    """Let the predictor's inference compute and then answer the scene, (B, 4 + 80, N), boxes as centre and size."""
    import torch

    infer = predictor.inference
    scenes: dict[tuple[int, ...], Any] = {}

    def scene(shape: tuple[int, ...], height: int, width: int) -> Any:
        if shape not in scenes:
            count = shape[2]
            random = np.random.RandomState(0)
            sides = random.uniform(0.05, 0.3, (count, 2))
            centres = random.uniform(0.2, 0.8, (count, 2))
            scores = scene_scores(np.hstack([centres - sides / 2, centres + sides / 2]), shape[1] - 4)
            pixels = np.hstack([centres, sides]) * [width, height, width, height]
            rows = np.hstack([pixels, scores]).T.astype(np.float32)
            scenes[shape] = torch.from_numpy(np.repeat(rows[None], shape[0], axis=0))
        return scenes[shape].clone()

    def answer(image: Any, *arguments: Any, **options: Any) -> Any:
        found = infer(image, *arguments, **options)
        first = found[0] if isinstance(found, list | tuple) else found
        if first.ndim == 3 and first.shape[1] == 84:
            replaced = scene(tuple(first.shape), *image.shape[2:]).to(first.device)
            return [replaced, *found[1:]] if isinstance(found, list | tuple) else replaced
        return found

    predictor.inference = answer
