"""Our own entries: the product's Detector and Streams, every model by every backend at hand."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comparison.entry import OURS, Accuracy, Entry, Frames, Opened, Played
from comparison.macs import onnx_gmac
from comparison.scene import scene_scores
from edgessd.backends import Backend, choose
from edgessd.bench.measure import measure, percentiles_ms
from edgessd.detector import Detector, StageTimes
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.card import ModelCard, card_of
from edgessd.model.priors import generate
from edgessd.sources import Repeated, open_source
from edgessd.streams.capacity import default_workers

BACKENDS = ("openvino", "onnxruntime", "tensorrt")
RANDOM = "random weights"  # the origin that a card made for speed alone carries


def our_entries(models: list[Path], batches: list[int], accuracy: dict[str, Accuracy]) -> list[Entry]:
    """Return every model by every backend that is installed, at every batch size; accuracy by the file's stem."""
    entries = []
    for model in models:
        card = card_of(model)
        for backend in backends_for(model, card):
            for batch in batches:
                size = f", batch {batch}" if batch > 1 else ""
                entries.append(
                    Entry(
                        name=f"edgessd {model.stem} {card.precision}, {backend}{size}",
                        group=OURS,
                        family="edgessd",
                        options={"model": str(model), "backend": backend},
                        batch=batch,
                        accuracy=accuracy.get(model.stem) or card_accuracy(card),
                        note=f"{card.origin}; post-processing fed a fixed scene" if is_random(card) else card.origin,
                    )
                )
    return entries


def backends_for(model: Path, card: ModelCard) -> list[str]:
    """Return the installed backends that run a model file, what the product takes by itself first."""
    if model.suffix == ".engine":
        return ["tensorrt"]
    installed = [name for name in BACKENDS if find_spec(name) and (name != "tensorrt" or find_spec("pycuda"))]
    taken = choose(model, "auto", card).name
    return sorted(installed, key=lambda name: name != taken)


def is_random(card: ModelCard) -> bool:
    """Return whether a model was made for speed alone."""
    return card.origin.startswith(RANDOM)


def card_accuracy(card: ModelCard) -> Accuracy | None:
    """Return what the card says was measured: VOC's mAP or COCO's AP."""
    for name, figures in card.metrics.items():
        found = eval_accuracy(figures, name) if isinstance(figures, dict) else None
        if found:
            return found
    return eval_accuracy(dict(card.metrics), "the model's card")


def eval_accuracy(figures: dict[str, Any], source: str) -> Accuracy | None:
    """Return the accuracy in figures as ``edgessd eval --json`` writes them, None where there is none."""
    data = figures.get("data") or source
    if isinstance(figures.get("mAP"), float):
        return Accuracy(100 * figures["mAP"], "voc07", f"measured on {Path(str(data)).name}", measured=True)
    if isinstance(figures.get("AP"), float):
        return Accuracy(100 * figures["AP"], "coco", f"measured on {Path(str(data)).name}", measured=True)
    return None


def open_detector(model: str, backend: str) -> Opened:
    """Return a Detector for single calls; its pipeline opens another one with a worker a core."""
    detector = detector_for(model, backend, workers=1)

    def call(frames: Frames) -> StageTimes:
        if len(frames) == 1:
            return detector.detect_timed(frames[0])[1]
        shares = [share for _, share in detector.detect_batch_timed(frames)]
        return StageTimes(*(sum(getattr(share, stage) for share in shares) for stage in STAGES))

    def play(video: Path, frames: int) -> Played:
        return play_pipeline(video, frames, model, backend)

    path = Path(model)
    return Opened(
        call=call,
        gmac=onnx_gmac(path) if path.suffix == ".onnx" else None,
        precision=detector.card.precision,
        device="cuda" if "CUDA" in detector.backend.name or backend == "tensorrt" else "cpu",
        play=play,
        close=detector.close,
    )


STAGES = ("resize", "inference", "postprocess")


def detector_for(model: str, backend: str, *, workers: int) -> Detector:
    """Return the product's detector; one of random weights answers the fixed scene whatever it computes."""
    detector = Detector(model, backend=backend, workers=workers)
    if is_random(detector.card):
        detector.backend = SceneBackend(detector.backend, detector.card)
    return detector


def play_pipeline(video: Path, frames: int, model: str, backend: str) -> Played:
    """Return what `edgessd bench` measures: the video through the pipeline, a worker a core."""
    source = Repeated(open_source(str(video)))
    opencv_threads = cv2.getNumThreads()
    workers = default_workers(live=source.live)
    detector = detector_for(model, backend, workers=workers)
    try:
        found = measure(source, detector, frames=frames, workers=workers)
        stages = {stage: percentiles_ms(seconds) for stage, seconds in found.stages.items()}
        return Played(found.frames, found.seconds, found.cpu_seconds, stages)
    finally:
        detector.close()
        cv2.setNumThreads(opencv_threads)


class SceneBackend:
    """Runs the network and returns the fixed scene in place of its answer; for contract ``raw``."""

    def __init__(self, backend: Backend, card: ModelCard) -> None:
        self.name = backend.name
        self._backend = backend
        priors_xyxy = cxcywh_to_xyxy(generate(card.priors))
        self._scores = scene_scores(priors_xyxy, len(card.labels))
        self._offsets = np.zeros((len(priors_xyxy), 4), np.float32)

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return offsets (B, P, 4) and scores (B, P, C) of the scene."""
        self._backend.infer(images)
        shape = (len(images),)
        return (
            np.broadcast_to(self._offsets, shape + self._offsets.shape),
            np.broadcast_to(self._scores, shape + self._scores.shape),
        )

    def close(self) -> None:
        """Close what is wrapped."""
        self._backend.close()
