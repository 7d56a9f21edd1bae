"""Is a quantised model worth having? Judged on labelled images against the network it came from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.model.preprocess import to_input
from edgessd_export.graph.float_graph import Layout, float_graph
from edgessd_export.images import spread
from edgessd_export.parity.compare import Model, graph_model, open_model
from edgessd_export.parity.verify import Truth, mean_average_precision, truth_for, verify
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.data.images import read_image
from edgessd_training.data.progress import image_progress
from edgessd_training.data.read import read_data
from edgessd_training.metrics.labels import read_label_map

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

    def verdict(self, path: Path, precision: str, variant: str, budget: float) -> str:
        """Return a sentence on mAP and speed of a file against the float model, both in ONNX Runtime on one core."""
        plain = graph_model(float_graph(self._checkpoint, Layout()), self._checkpoint.card, "fp32", threads=1)
        with (
            open_model(path, threads=1) as candidate,
            image_progress("judge", len(self.truth.data.records)) as progress,
        ):
            figures = verify(plain, candidate, self.truth, lambda: progress.count(1))
        if precision == "int8" and variant == "cpu":
            return int8_sentence(figures, budget)
        loss = figures["map"]["drop"]
        fits = "within" if loss <= budget else "over"
        return (
            f"{precision}: {loss:.4f} mAP lost, {fits} the budget of {budget}; its speed shows on the GPU: "
            "`edgessd build`, then `edgessd verify` there"
        )


def int8_sentence(figures: Mapping[str, Any], budget: float) -> str:
    """Return whether int8 is worth having on this machine, in one sentence. budget: the mAP it may lose."""
    ratio, drop = figures["speed"]["ratio"], figures["map"]["drop"]
    pace = f"{(ratio - 1):.0%} faster" if ratio >= 1 else f"{(1 / ratio - 1):.0%} slower"
    lost = f"{drop:.4f} mAP lost" if drop >= 0 else f"{-drop:.4f} mAP gained"
    if ratio > WORTH_IT and drop <= budget:
        return f"INT8 is faster and within budget: {ratio:.2f}x the speed, {lost}"
    return f"INT8 is not worth it here: {pace}, {lost} (budget {budget})"
