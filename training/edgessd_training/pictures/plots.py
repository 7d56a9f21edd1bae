"""Plots as PNG: the loss and the metric over time, precision over recall, confusion, priors beside boxes."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd.model.priors import PriorSpec
from edgessd.util.extras import need
from edgessd.util.files import replacing
from edgessd_training.data.records import DataSet
from edgessd_training.metrics.voc import MIN_IOU, voc_curves

CONFUSION_SCORE = 0.3  # what a user sees by default
MOST_CLASSES = 30  # more curves or cells than that nobody reads
SMOOTHED = 50  # batches
Rows = Sequence[Mapping[str, str]]


def plot_run(folder: Path, steps: Rows, epochs: Rows, val: DataSet, detections: Sequence[Detections]) -> None:
    """Write loss.png, metric.png, precision_recall.png and confusion.png into the run's folder.

    steps, epochs: the rows of steps.csv and epochs.csv. detections: of the last evaluation, one entry a record.
    """
    losses = np.array([float(row["loss"]) for row in steps])
    plot_loss(folder / "loss.png", losses, [float(row["lr"]) for row in steps])
    points = [(int(row["epoch"]), float(row["value"])) for row in epochs]
    plot_metric(folder / "metric.png", points, epochs[-1]["metric"])
    plot_precision_recall(folder / "precision_recall.png", val, detections)
    plot_confusion(folder / "confusion.png", val, detections)


def plot_loss(path: Path, losses: NDArray[np.float64], rates: Sequence[float]) -> None:
    """Write the loss of every batch with its running mean, and the learning rate."""
    figure, axes = _figure()
    axes.plot(losses, color="0.8", linewidth=0.6, label="batch")
    width = min(SMOOTHED, len(losses))
    mean = np.convolve(losses, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(width - 1, len(losses)), mean, color="tab:blue", label=f"mean of {width}")
    axes.set(xlabel="batch", ylabel="loss", ylim=(0, float(np.percentile(losses, 99)) * 1.1 + 1e-6))
    axes.legend(loc="upper right")
    other = axes.twinx()
    other.plot(rates, color="tab:orange", linewidth=0.8)
    other.set(ylabel="learning rate", ylim=(0, None))
    _save(figure, path)


def plot_metric(path: Path, points: Sequence[tuple[int, float]], metric: str) -> None:
    """Write the metric over the epochs."""
    figure, axes = _figure()
    axes.plot(*zip(*points, strict=True), marker=".", color="tab:blue")
    axes.set(xlabel="epoch", ylabel="AP" if metric == "coco" else f"mAP ({metric})", ylim=(0, 1))
    axes.grid(alpha=0.3)
    _save(figure, path)


def plot_precision_recall(path: Path, data: DataSet, detections: Sequence[Detections]) -> None:
    """Write precision over recall of every class that has boxes."""
    figure, axes = _figure()
    curves = [(label, curve) for label, curve in voc_curves(data, detections).items() if curve.positives]
    for label, curve in curves[:MOST_CLASSES]:
        axes.plot(curve.recall, curve.precision, linewidth=1, label=f"{label} {curve.voc12:.3f}")
    axes.set(xlabel="recall", ylabel=f"precision (IoU > {MIN_IOU:g})", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(fontsize=7, ncols=1 + len(curves) // 11, loc="lower left")
    axes.grid(alpha=0.3)
    _save(figure, path)


def plot_confusion(path: Path, data: DataSet, detections: Sequence[Detections]) -> None:
    """Write which label was found as which, at the score a user sees; counts in the cells."""
    table = confusion(data, detections, CONFUSION_SCORE)
    names = [*data.labels[:MOST_CLASSES], "none"]
    chosen = [*range(min(len(data.labels), MOST_CLASSES)), len(data.labels)]
    table = table[np.ix_(chosen, chosen)]
    figure, axes = _figure(max(5.0, 0.35 * len(names) + 2))
    axes.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set(xlabel=f"found as (score >= {CONFUSION_SCORE:g})", ylabel="labelled")
    for row, column in zip(*np.nonzero(table), strict=True):
        shade = table[row, column] / table[row].sum()
        colour = "white" if shade > 0.5 else "black"
        axes.text(column, row, str(table[row, column]), ha="center", va="center", fontsize=6, color=colour)
    _save(figure, path)


def confusion(data: DataSet, detections: Sequence[Detections], score: float) -> NDArray[np.int64]:
    """Return counts, (C + 1, C + 1): row the label, column what was found there; the last of each is "none".

    Every detection above the score takes the free box it overlaps most, whatever its class, best score first.
    Difficult and crowd boxes, and what is found on them, are left out.
    """
    none = len(data.labels)
    table = np.zeros((none + 1, none + 1), np.int64)
    for record, found in zip(data.records, detections, strict=True):
        found = found[np.flatnonzero(found.scores >= score)]
        overlaps = iou(found.boxes_xyxy, record.boxes_xyxy) if len(record.classes) else np.zeros((len(found), 0))
        ignored = record.difficult | record.crowd
        taken = np.zeros(len(record.classes), bool)
        for index in np.argsort(-found.scores, kind="stable"):
            free = np.where(taken, 0.0, overlaps[index])
            box = int(free.argmax()) if free.size else 0
            if free.size and free[box] > MIN_IOU:
                taken[box] = not ignored[box]
                if not ignored[box]:
                    table[record.classes[box], found.classes[index]] += 1
            else:
                table[none, found.classes[index]] += 1
        table[:none, none] += np.bincount(record.classes[~taken & ~ignored], minlength=none)
    return table


def plot_priors(path: Path, boxes_xyxy: NDArray[np.float32], before: PriorSpec, after: PriorSpec) -> None:
    """Write the widths and heights of boxes, of the priors as they are, and of those proposed."""
    figure, axes = _figure()
    widths, heights = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).T
    axes.scatter(widths, heights, s=4, color="0.75", label=f"{len(boxes_xyxy)} boxes")
    for spec, marker, colour, name in ((before, "x", "tab:orange", "default"), (after, "+", "tab:blue", "proposed")):
        shapes_wh = np.array([shape for grid in spec.maps for shape in grid.shapes_wh])
        axes.scatter(*shapes_wh.T, marker=marker, color=colour, label=name)
    axes.set(xlabel="width, of the image's", ylabel="height, of the image's", xlim=(0, 1.05), ylim=(0, 1.05))
    axes.legend(loc="upper left")
    _save(figure, path)


def _figure(side: float = 5.0) -> tuple[Any, Any]:
    figure = need("matplotlib.figure", "eval").Figure(figsize=(side * 1.3, side), layout="constrained")
    return figure, figure.subplots()  # without pyplot: no display is asked for, and nothing is left open


def _save(figure: Any, path: Path) -> None:
    for text in figure.findobj(need("matplotlib.text", "eval").Text):
        text.set_parse_math(False)  # a label such as a$_$b is no formula
    with replacing(path) as unfinished, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a script that the font lacks shows as boxes
        figure.savefig(unfinished, dpi=90)
