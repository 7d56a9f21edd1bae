"""Is a quantised model worth having? Judged on labelled images against the network it came from."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from edgessd.backends import choose
from edgessd.model.card import card_of
from edgessd.model.preprocess import to_input
from edgessd.util.progress import image_progress
from edgessd_export.graph.float_graph import Layout, float_graph
from edgessd_export.images import spread
from edgessd_export.parity.compare import Model, compare, graph_model, open_model
from edgessd_export.parity.verify import Truth, mean_average_precision, truth_for, verify
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.data.images import read_image
from edgessd_training.data.read import read_data
from edgessd_training.metrics.labels import read_label_map

TIMED_IMAGES = 50
WORTH_IT = 1.05  # a smaller gain in speed is lost in the next measurement


class Judge:
    """Labelled images read once, and the float model to compare with."""

    def __init__(self, checkpoint: Checkpoint, data: str, label_map: str | None, metric: str) -> None:
        """Raises DataError and InputError as ``edgessd eval`` does."""
        joined = read_label_map(label_map) if label_map else None
        self.truth: Truth = truth_for(read_data(data), checkpoint.card.labels, joined, metric)
        self._checkpoint = checkpoint

    def images(self, most: int | None = None) -> list[NDArray[np.uint8]]:
        """Return the images as the network sees them, all or so many spread over the set."""
        card = self._checkpoint.card
        paths = [record.path for record in self.truth.data.records]
        chosen = spread(paths, most) if most else paths
        return [to_input(read_image(path), card.height, card.width)[None] for path in chosen]

    def score(self, model: Model) -> float:
        """Return the mean average precision of a model."""
        with image_progress(model.name, len(self.truth.data.records)) as progress:
            return mean_average_precision(model, self.truth, lambda: progress.count(1))

    def verdict(
        self, path: Path, precision: str, variant: str, budget: float, graph: onnx.ModelProto | None = None
    ) -> "Judged":
        """Return the verdict on a file's mAP in ONNX Runtime and its speed, against the float model, on one core.

        The speed of a file for this machine is that of the backend which ``auto`` takes for it. graph: the float graph
        where it is at hand; its export takes longer than all the rest.
        """
        graph = graph or float_graph(self._checkpoint, Layout())
        plain = graph_model(graph, self._checkpoint.card, "fp32", threads=1)
        with (
            open_model(path, threads=1) as candidate,
            image_progress("judge", len(self.truth.data.records)) as progress,
        ):
            figures = verify(plain, candidate, self.truth, lambda: progress.count(1))
        here = choose(path, "auto", card_of(path)).name if precision == "int8" and variant == "cpu" else None
        if here not in (None, "onnxruntime"):
            with open_model(path, here, threads=1) as candidate:
                figures["speed"] = compare(plain, candidate, self.images(TIMED_IMAGES)).summary()["speed"]
        return judged(figures, precision, budget, here=here)


class Verdict(Enum):
    """What a quantised model is worth."""

    WORTH_IT = "worth it"
    NOT_FASTER = "not faster"
    OVER_BUDGET = "over the budget"
    WITHIN_BUDGET = "within the budget"  # its speed shows on another machine


class Judged(NamedTuple):
    """A verdict and the sentence that gives its figures."""

    verdict: Verdict
    sentence: str


def judged(figures: Mapping[str, Any], precision: str, budget: float, *, here: str | None) -> Judged:
    """Return whether a quantised model is worth having.

    budget: the mAP it may lose. here: the backend that runs it on this machine, None where it is for another one.
    """
    ratio, drop = figures["speed"]["ratio"], figures["map"]["drop"]
    lost = f"{drop:.4f} mAP lost" if drop >= 0 else f"{-drop:.4f} mAP gained"
    name = precision.upper()
    if not drop <= budget:
        return Judged(Verdict.OVER_BUDGET, f"{name} is over the budget of {budget}: {lost}")
    if not here:
        return Judged(
            Verdict.WITHIN_BUDGET,
            f"{name} is within the budget of {budget}: {lost}; its speed shows on the GPU: "
            "`edgessd build`, then `edgessd verify` there",
        )
    if ratio > WORTH_IT:
        return Judged(Verdict.WORTH_IT, f"{name} is faster and within budget: {ratio:.2f}x the speed in {here}, {lost}")
    pace = f"{(ratio - 1):.0%} faster" if ratio >= 1 else f"{(1 / ratio - 1):.0%} slower"
    return Judged(Verdict.NOT_FASTER, f"{name} is not worth it here: {pace} in {here}, {lost} (budget {budget})")
