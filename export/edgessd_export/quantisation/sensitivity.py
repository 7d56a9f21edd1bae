"""Which layers suffer from int8: each quantised alone, all others in float; and the fewest to leave in float."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.table import Table

from edgessd.errors import ExportError
from edgessd.model.card import ModelCard
from edgessd.util.console import PlainConsole
from edgessd.util.extras import need
from edgessd.util.files import replacing
from edgessd.util.progress import image_progress
from edgessd_export.graph.layers import Graph
from edgessd_export.images import inputs, spread
from edgessd_export.parity.compare import Model, compare, graph_model
from edgessd_export.parity.verdict import Judge
from edgessd_export.quantisation.int8 import Int8, quantised
from edgessd_export.quantisation.qdq import inputs_alone
from edgessd_training.checkpoint import Checkpoint

Images = Sequence[NDArray[np.uint8]]
IMAGES = 50
BARS = 40  # of a chart; the table has every layer


@dataclass(frozen=True)
class Effect:
    """What int8 in one layer alone does: the mean change of the boxes' scores, a lost box with all of its score."""

    layer: str
    change: float


def quantisable(model: onnx.ModelProto, variant: str) -> list[str]:
    """Return the layers that a variant quantises, from the image to the heads."""
    spared = inputs_alone(model, variant)
    return [layer.name for layer in Graph(model).layers if not (spared and layer.depthwise)]


def effects(
    model: onnx.ModelProto,
    card: ModelCard,
    int8: Int8,
    images: Images,
    on_layer: Callable[[], object] = lambda: None,
) -> list[Effect]:
    """Return the effect of every layer, the strongest first. model, card: the float graph under ``raw``."""
    names = quantisable(model, int8.variant)
    outputs = graph_model(model, card, "fp32").infer
    kept = {id(image): outputs(image) for image in images}  # the reference runs once, not once a layer
    reference = Model("fp32", card, lambda image: kept[id(image)])
    found = []
    for name in names:
        alone = quantised(model, replace(int8, keep_float=set(names) - {name}))
        candidate = graph_model(alone, card, name)
        change = compare(reference, candidate, images).summary()["boxes"]["change"]
        found.append(Effect(name, change))
        on_layer()
    return sorted(found, key=lambda effect: -effect.change)


def fewest_in_float(names: Sequence[str], drop: Callable[[Sequence[str]], float], budget: float) -> list[str]:
    """Return the shortest head of the names that, left in float, brings the drop within the budget.

    names: the layers, the worst first. drop: the mAP that is lost with these layers in float and the others in int8.
    Found by halving. Raises ExportError when float alone does not suffice.
    """
    if drop([]) <= budget:
        return []
    low, high = 0, len(names)
    while high - low > 1:  # low fails, high is float
        middle = (low + high) // 2
        low, high = (low, middle) if drop(names[:middle]) <= budget else (middle, high)
    if high == len(names):
        raise ExportError(f"no mixture of int8 and float keeps the loss within {budget}", fix="use --precision fp16")
    return list(names[:high])


def draw(found: Sequence[Effect], path: Path, title: str) -> None:
    """Write the strongest effects as a bar chart, PNG, the strongest at the top."""
    shown = found[:BARS]
    if len(shown) < len(found):
        title = f"{title}, the strongest {len(shown)} of {len(found)} layers"
    figures: Any = need("matplotlib.figure", "eval")
    figure = figures.Figure(figsize=(9, 0.22 * len(shown) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(shown))
    axes.barh(rows, [effect.change for effect in shown], color="#4477aa")
    axes.set_yticks(rows, [effect.layer for effect in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("mean change of a box's score when this layer alone is int8")
    axes.set_title(title)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=90)


def rank(
    checkpoint: Checkpoint,
    plain: onnx.ModelProto,
    int8: Int8,
    judge: Judge | None,
    paths: Sequence[Path],
    png: Path | None,
) -> list[Effect]:
    """Return the layers by what int8 in each alone changes, printed as a table and drawn where a path is given."""
    card = checkpoint.card
    images = judge.images(IMAGES) if judge else list(inputs(spread(paths, IMAGES), card.height, card.width))
    with image_progress("sensitivity, layers", len(quantisable(plain, int8.variant))) as progress:
        found = effects(plain, card, int8, images, on_layer=lambda: progress.count(1))
    table = Table("layer", "mean change of a box's score", title=f"int8 in one layer alone, {len(images)} images")
    for effect in found:
        table.add_row(effect.layer, f"{effect.change:.5f}")
    PlainConsole().print(table)
    if png:
        draw(found, png, f"{card.name}: int8 for {int8.variant}, {len(images)} images")
    return found


def shortest(
    checkpoint: Checkpoint,
    plain: onnx.ModelProto,
    int8: Int8,
    ranked: Sequence[Effect],
    judge: Judge,
    budget: float,
) -> list[str]:
    """Return the fewest layers to leave in float, see ``fewest_in_float``. plain: the float graph under ``raw``."""
    card = checkpoint.card
    before = judge.score(graph_model(plain, card, "fp32"))

    def drop(kept: Sequence[str]) -> float:
        mixed = quantised(plain, replace(int8, keep_float=kept))
        return before - judge.score(graph_model(mixed, card, f"int8, {len(kept)} layers in float"))

    return fewest_in_float([effect.layer for effect in ranked], drop, budget)
