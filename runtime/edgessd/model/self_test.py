"""A seeded input and the outputs a model must give for it: wrong tensors are found before the first frame.

The card keeps 64 values of every output, evenly spread, and one tolerance for all. Rows of ``compact`` and
``end2end`` that score alike change places from engine to engine, so sums over the rows stand for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import BackendError
from edgessd.model.card import ModelCard

SAMPLES = 64
SEED = 2016


def self_test_input(card: ModelCard, seed: int = SEED) -> NDArray[np.uint8]:
    """Return the seeded image, (1, H, W, 3) uint8: soft colour blobs, so that ranges resemble a photograph's."""
    random = np.random.RandomState(seed)  # this generator's stream is frozen for all versions of numpy
    coarse = random.randint(0, 256, size=(8, 8, 3)).astype(np.float32)
    # Linear interpolation by hand: cv2's rounding differs between its versions.
    rows = np.linspace(0, 7, card.height)
    columns = np.linspace(0, 7, card.width)
    top, left = np.floor(rows).clip(0, 6).astype(int), np.floor(columns).clip(0, 6).astype(int)
    down, right = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    return np.asarray(np.rint(upper * (1 - down) + lower * down), np.uint8)[None]


def comparable(card: ModelCard, outputs: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what two engines must agree on, by name: the tensors of ``raw``, the scores and sums of the others.

    outputs: the card's tensors for one image. The sums weigh rows by how far they pass the last one's score: a row
    that just misses K weighs nothing. boxes: (4,) and classes: (C, 4), mean box and its parts by class.
    """
    if card.contract == "raw":
        return dict(zip(card.outputs, outputs, strict=True))
    boxes_xyxy, scores, classes = (np.asarray(tensor)[0] for tensor in outputs[:3])
    found = int(outputs[3][0]) if card.contract == "end2end" else len(scores)
    weights = np.zeros(len(scores), np.float32)
    weights[:found] = scores[:found] - scores[:found].min(initial=1)
    parts = np.zeros((len(card.labels), 4), np.float32)
    weighted = weights[:, None] * boxes_xyxy.clip(-1, 2) / max(float(weights.sum()), 1e-3)
    np.add.at(parts, np.asarray(classes, np.int64).clip(0, len(parts) - 1), weighted)
    return {"scores": scores, "boxes": parts.sum(axis=0), "classes": parts}


def record(outputs: Mapping[str, NDArray[Any]], tolerance: float, seed: int = SEED) -> dict[str, Any]:
    """Return the card's ``self_test`` for what ``comparable`` makes of the seeded input's outputs."""
    samples = {}
    for name, tensor in outputs.items():
        flat = np.asarray(tensor, np.float32).reshape(-1)
        indices = np.unique(np.linspace(0, flat.size - 1, SAMPLES).astype(np.int64))
        samples[name] = {"indices": indices.tolist(), "values": [round(float(flat[i]), 6) for i in indices]}
    return {"seed": seed, "tolerance": tolerance, "samples": samples}


def worst_difference(card: ModelCard, outputs: Sequence[NDArray[Any]]) -> float:
    """Return the largest deviation from the card's recorded values; NaN counts as infinite."""
    worst = 0.0
    for name, tensor in comparable(card, outputs).items():
        sample = card.self_test["samples"][name]
        flat = np.asarray(tensor, np.float32).reshape(-1)
        difference = np.abs(flat[sample["indices"]] - np.array(sample["values"], np.float32)).max()
        worst = max(worst, float(difference) if np.isfinite(difference) else np.inf)
    return worst


def check(card: ModelCard, outputs: Sequence[NDArray[Any]], *, engine: str) -> None:
    """Raise BackendError when the outputs of the seeded input are not those the card records.

    A card without a self-test passes.
    """
    if not card.self_test:
        return
    difference, tolerance = worst_difference(card, outputs), float(card.self_test["tolerance"])
    if not difference <= tolerance:
        raise BackendError(
            f"{engine} computes {card.name} wrongly",
            fix=(
                f"its self-test is off by {difference:.3g}, allowed {tolerance:.3g}; use another "
                "backend or build the model again"
            ),
        )
