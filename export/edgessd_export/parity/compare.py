"""Two forms of one model on the same images: tensors, detections and time, taken in turns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.onnxruntime import UNWANTED_OPTIMISER
from edgessd.detector import Detector, decoder_for
from edgessd.errors import InputError
from edgessd.model.boxes import iou
from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections, refuse_nonfinite
from edgessd.model.postprocess import EVALUATION, PostProcess
from edgessd.model.self_test import comparable
from edgessd.util.cores import usable_cores
from edgessd.util.extras import need

if TYPE_CHECKING:
    import onnx

Tensors = Sequence[NDArray[Any]]
SCORE = 0.3  # detections from here on must have a partner
PARTNER = PostProcess(score=SCORE / 2, candidates=200)  # down to here: a score that slips under 0.3 is no loss
SAME_PLACE = 0.5  # IoU of partners


@dataclass(frozen=True)
class Model:
    """One form of a model. infer: (1, H, W, 3) uint8 BGR to its tensors."""

    name: str
    card: ModelCard
    infer: Callable[[NDArray[Any]], Tensors]


@contextmanager
def open_model(path: Path, backend: str = "auto", threads: int | None = None) -> Iterator[Model]:
    """Yield a model of a .pt, .onnx or .engine file. Raises InputError for another suffix.

    A .pt runs in PyTorch and speaks ``raw``. ``auto`` takes ONNX Runtime for .onnx: it computes what the graph says.
    """
    match path.suffix:
        case ".pt" | ".pth":
            from edgessd_training.checkpoint import load_checkpoint

            checkpoint = load_checkpoint(path)
            yield torch_model(checkpoint.network, checkpoint.card)
        case ".onnx" | ".engine":
            if backend == "auto" and path.suffix == ".onnx":
                backend = "onnxruntime"
            with Detector(path, backend=backend, threads=threads, settings=PARTNER) as detector:
                yield Model(f"{path.name} ({detector.backend.name})", detector.card, detector.backend.infer)
        case suffix:
            raise InputError(f"verify compares .pt, .onnx and .engine files, {path} is {suffix or 'without suffix'}")


def torch_model(network: Any, card: ModelCard) -> Model:
    """Return a PyTorch network under the contract of the card."""
    import torch

    from edgessd_export.graph.contracts import wrap

    module = wrap(network, card)

    def infer(images: NDArray[np.uint8]) -> Tensors:
        with torch.inference_mode():
            return [tensor.numpy() for tensor in module(torch.from_numpy(images))]

    return Model("PyTorch", card, infer)


def graph_model(model: "onnx.ModelProto", card: ModelCard, name: str, threads: int | None = None) -> Model:
    """Return a graph in memory, run by ONNX Runtime on so many cores, all where None."""
    runtime = need("onnxruntime", "export")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=[UNWANTED_OPTIMISER],
    )

    def infer(images: NDArray[Any]) -> list[NDArray[Any]]:
        return list(session.run(list(card.outputs), {"image": images}))

    return Model(name, card, infer)


@dataclass
class Comparison:
    """What was seen so far; ``summary`` makes figures of it.

    found: the detections of both models at EVALUATION's settings, image by image, for a mean average precision.
    """

    worst: dict[str, float] = field(default_factory=dict)
    sums: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, list[float]] = field(default_factory=dict)
    partners: list[tuple[float, float]] = field(default_factory=list)  # (IoU, score difference)
    expected: list[int] = field(default_factory=lambda: [0, 0])
    matched: list[int] = field(default_factory=lambda: [0, 0])
    change: float = 0.0
    seconds: list[tuple[float, float]] = field(default_factory=list)
    found: tuple[list[Detections], list[Detections]] = field(default_factory=lambda: ([], []))

    def add_tensors(self, card: ModelCard, reference: Tensors, candidate: Tensors) -> None:
        """Count the differences of tensors under one contract."""
        ours, theirs = comparable(card, reference), comparable(card, candidate)
        for name, tensor in ours.items():
            difference = np.abs(np.asarray(theirs[name], np.float32) - np.asarray(tensor, np.float32))
            largest = float(difference.max(initial=0)) if np.isfinite(difference).all() else float("inf")
            self.worst[name] = max(self.worst.get(name, 0.0), largest)
            self.sums.setdefault(name, []).append(float(difference.mean()) if np.isfinite(largest) else largest)
            self.sizes.setdefault(name, []).append(float(np.abs(tensor).mean()))

    def add_detections(self, reference: Detections, candidate: Detections) -> None:
        """Match the boxes of one image both ways."""
        for way, (ours, theirs) in enumerate(((reference, candidate), (candidate, reference))):
            wanted = ours[ours.scores >= SCORE]
            overlap = iou(wanted.boxes_xyxy, theirs.boxes_xyxy) * (wanted.classes[:, None] == theirs.classes[None, :])
            best = overlap.argmax(axis=1) if len(theirs) else np.zeros(len(wanted), np.int64)
            place = overlap[np.arange(len(wanted)), best] if len(theirs) else np.zeros(len(wanted))
            self.expected[way] += len(wanted)
            self.matched[way] += int((place >= SAME_PLACE).sum())
            for row in range(len(wanted)):
                if place[row] >= SAME_PLACE:
                    difference = float(abs(wanted.scores[row] - theirs.scores[best[row]]))
                    self.partners.append((float(place[row]), difference))
                    self.change += difference
                else:
                    self.change += float(wanted.scores[row])

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values; ``None`` for what was not compared."""
        overlaps, differences = np.array(self.partners or [(1.0, 0.0)]).T
        ratios = [reference / candidate for reference, candidate in self.seconds]
        times = np.array(self.seconds or [(0.0, 0.0)]) * 1000
        return {
            "images": len(self.seconds),
            "tensors": {
                name: {
                    "max": self.worst[name],
                    "mean": float(np.mean(self.sums[name])),
                    "relative": float(np.sum(self.sums[name]) / max(np.sum(self.sizes[name]), 1e-6)),
                }
                for name in self.worst
            }
            or None,
            "boxes": {
                "reference": self.expected[0],
                "candidate": self.expected[1],
                "matched_reference": _share(self.matched[0], self.expected[0]),
                "matched_candidate": _share(self.matched[1], self.expected[1]),
                "mean_iou": float(overlaps.mean()),
                "lowest_iou": float(overlaps.min()),
                "mean_score_difference": float(differences.mean()),
                "largest_score_difference": float(differences.max()),
                "change": self.change / max(sum(self.expected), 1),
            },
            "speed": {
                "reference_ms": float(np.median(times[:, 0])),
                "candidate_ms": float(np.median(times[:, 1])),
                "ratio": float(np.median(ratios)) if ratios else 1.0,
            },
        }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def compare(
    reference: Model,
    candidate: Model,
    images: Iterable[NDArray[np.uint8]],
    sizes_hw: Sequence[tuple[int, int]] | None = None,
    on_image: Callable[[], object] = lambda: None,
    *,
    keep_found: bool = False,
) -> Comparison:
    """Return the comparison over images of the network's size, (1, H, W, 3); the two take turns in going first.

    sizes_hw: the frames' own sizes, in whose pixels detections are kept; the network's where None.
    keep_found: keep all detections above 0.01 for a mean average precision.
    """
    result = Comparison()
    models = (reference, candidate)
    partner = [decoder_for(model.card, PARTNER) for model in models]
    every = [decoder_for(model.card, EVALUATION) for model in models] if keep_found else []
    same_contract = reference.card.contract == candidate.card.contract
    for number, image in enumerate(images):
        tensors: list[Tensors] = [(), ()]
        seconds = [0.0, 0.0]
        for way in (0, 1) if number % 2 else (1, 0):
            start = perf_counter()
            outputs = models[way].infer(image)
            seconds[way] = perf_counter() - start
            tensors[way] = [np.array(tensor) for tensor in outputs]
        result.seconds.append((seconds[0], seconds[1]))
        if same_contract:
            result.add_tensors(reference.card, tensors[0], tensors[1])
        size_hw = sizes_hw[number] if sizes_hw else image.shape[1:3]
        rows = [[tensor[0] for tensor in outputs] for outputs in tensors]
        pair = [decode(*own, *size_hw) for decode, own in zip(partner, rows, strict=True)]
        for found in pair:
            refuse_nonfinite(found)
        result.add_detections(*pair)
        for way, decode in enumerate(every):
            result.found[way].append(decode(*rows[way], *size_hw))
        on_image()
    return result
