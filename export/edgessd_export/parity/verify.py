"""Two model files on a data set: figures and a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from edgessd.detector import decoder_for
from edgessd.model.detections import Detections, refuse_nonfinite
from edgessd.model.postprocess import EVALUATION
from edgessd.model.preprocess import to_input
from edgessd.util.console import PlainConsole
from edgessd_export.parity.compare import Model, compare
from edgessd_training.data.images import read_image
from edgessd_training.data.records import DataSet
from edgessd_training.metrics import measure
from edgessd_training.metrics.labels import class_order, mapped


@dataclass(frozen=True)
class Truth:
    """A labelled data set, and its index of each class of the model, (C,)."""

    data: DataSet
    order: NDArray[np.int64]
    metric: str = "voc07"

    def score(self, found: list[Detections]) -> float:
        """Return the mean average precision of detections, one entry a record, in the model's classes."""
        in_data = [mapped(detections, self.order) for detections in found]
        figures = measure(self.data, in_data, self.metric)
        return float(figures["AP" if self.metric == "coco" else "mAP"])


def truth_for(data: DataSet, labels: tuple[str, ...], label_map: Mapping[str, str] | None, metric: str) -> Truth:
    """Return a data set joined to a model's labels. Raises InputError when they do not meet."""
    return Truth(data, class_order(labels, data, label_map), metric)


def verify(
    reference: Model, candidate: Model, truth: Truth, on_image: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return the figures of two models over a data set, mAP included."""
    records = truth.data.records
    cards = reference.card
    images = (to_input(read_image(record.path), cards.height, cards.width)[None] for record in records)
    sizes_hw = [(record.height, record.width) for record in records]
    comparison = compare(reference, candidate, images, sizes_hw, on_image, keep_found=True)
    before, after = (truth.score(found) for found in comparison.found)
    figures = comparison.summary()
    figures["map"] = {"metric": truth.metric, "reference": before, "candidate": after, "drop": before - after}
    return figures


def mean_average_precision(model: Model, truth: Truth, on_image: Callable[[], object] = lambda: None) -> float:
    """Return what one model scores on a data set."""
    decode = decoder_for(model.card, EVALUATION)
    found = []
    for record in truth.data.records:
        image = to_input(read_image(record.path), model.card.height, model.card.width)[None]
        found.append(decode(*(tensor[0] for tensor in model.infer(image)), record.height, record.width))
        refuse_nonfinite(found[-1])
        on_image()
    return truth.score(found)


def print_table(reference: Model, candidate: Model, figures: Mapping[str, Any], wrong: list[str]) -> None:
    """Print one table: what was compared, its value, and after it what was refused."""
    boxes, speed = figures["boxes"], figures["speed"]
    table = Table("compared", "value", title=f"{reference.name} and {candidate.name}, {figures['images']} images")
    for name, errors in (figures["tensors"] or {}).items():
        table.add_row(
            f"tensor {name}",
            f"max {errors['max']:.3g}, mean {errors['mean']:.3g}, {errors['relative']:.2%} of its size",
        )
    if not figures["tensors"]:
        table.add_row("tensors", f"not compared: {reference.card.contract} and {candidate.card.contract}")
    table.add_row("reference's boxes with a partner", f"{boxes['matched_reference']:.2%} of {boxes['reference']}")
    table.add_row("candidate's boxes with a partner", f"{boxes['matched_candidate']:.2%} of {boxes['candidate']}")
    table.add_row("IoU of partners", f"mean {boxes['mean_iou']:.4f}, lowest {boxes['lowest_iou']:.4f}")
    table.add_row(
        "score difference of partners",
        f"mean {boxes['mean_score_difference']:.4f}, largest {boxes['largest_score_difference']:.4f}",
    )
    if "map" in figures:
        scores = figures["map"]
        table.add_row(
            f"mAP ({scores['metric']})",
            f"{scores['reference']:.4f} -> {scores['candidate']:.4f}, drop {scores['drop']:+.4f}",
        )
    table.add_row(
        "time an image on this machine",
        f"{speed['reference_ms']:.2f} -> {speed['candidate_ms']:.2f} ms, {speed['ratio']:.2f}x (taken in turns)",
    )
    table.add_row("result", "refused" if wrong else "passed")
    PlainConsole(soft_wrap=False).print(table)
