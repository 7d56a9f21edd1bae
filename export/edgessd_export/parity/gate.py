"""The gate between two forms of a model: what may differ, by precision, and the refusal of what differs more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import ExportError
from edgessd.model.card import ModelCard
from edgessd.model.self_test import self_test_input
from edgessd_export.parity.compare import Model, compare

QUICK_SEEDS = range(2016, 2020)  # the self-test image and three more of its kind
MAX_MAP_DROP = 0.005


@dataclass(frozen=True)
class Limits:
    """relative: a tensor's mean difference by its mean size; largest: of any one value; matched: share of boxes.

    change: mean difference of matched scores, a lost box counting with all of its score.
    """

    relative: float
    largest: float
    matched: float
    change: float


# fp32: rounding in another order, which may decide a tie of NMS; the tensors are the strict part. fp16 and int8: some
# three times what sound models showed (docs/howto/export.md).
LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(relative=1e-4, largest=5e-3, matched=0.98, change=2e-2),
    "fp16": Limits(relative=3e-2, largest=float("inf"), matched=0.97, change=2e-2),
    "int8": Limits(relative=2e-1, largest=float("inf"), matched=0.90, change=6e-2),
}


def limits_for(reference: ModelCard, candidate: ModelCard) -> Limits:
    """Return the limits of the coarser precision of two."""
    return max((LIMITS[reference.precision], LIMITS[candidate.precision]), key=lambda limits: limits.relative)


def same_model(reference: ModelCard, candidate: ModelCard) -> list[str]:
    """Return what two cards contradict each other in, one sentence each; empty for forms of one model."""
    pairs = {
        "labels": (reference.labels, candidate.labels),
        "input size": ((reference.height, reference.width), (candidate.height, candidate.width)),
        "activation": (reference.activation, candidate.activation),
        "variances": (tuple(reference.variances), tuple(candidate.variances)),
        "priors": (reference.priors.sha256[:12], candidate.priors.sha256[:12]),
    }
    return [
        f"the cards differ in {name}: {_short(ours)} and {_short(theirs)}"
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    ]


def complaints(figures: Mapping[str, Any], limits: Limits, max_map_drop: float = MAX_MAP_DROP) -> list[str]:
    """Return every limit that a comparison passed, one sentence each."""
    found = []
    for name, errors in (figures["tensors"] or {}).items():
        if not errors["relative"] <= limits.relative:
            found.append(f"{name} differ by {errors['relative']:.2%} of their size, allowed {limits.relative:.2%}")
        if not errors["max"] <= limits.largest:
            found.append(f"a value of {name} differs by {errors['max']:.3g}, allowed {limits.largest:.3g}")
    for side, of in (("reference", "the reference's"), ("candidate", "the candidate's")):
        share = figures["boxes"][f"matched_{side}"]
        if share < limits.matched:
            found.append(f"{share:.1%} of {of} boxes have a partner, at least {limits.matched:.1%} must")
    if figures["boxes"]["change"] > limits.change:
        found.append(f"scores of boxes changed by {figures['boxes']['change']:.3f}, allowed {limits.change:.3f}")
    drop = (figures.get("map") or {}).get("drop")
    if drop is not None and drop > max_map_drop:
        found.append(f"mAP fell by {drop:.4f}, allowed {max_map_drop:.4f}")
    return found


def quick(reference: Model, candidate: Model, images: Sequence[NDArray[np.uint8]] = ()) -> dict[str, Any]:
    """Return the figures of some images, (1, H, W, 3) each, or the seeded ones. Raises ExportError past a limit.

    The gate of ``export`` and ``quantize``: reference is the PyTorch network, fp32. int8 wants images of the kind it
    was calibrated on: ranges of blood cells rightly cut off what the seeded blobs hold.
    """
    images = images or [self_test_input(candidate.card, seed) for seed in QUICK_SEEDS]
    figures = compare(reference, candidate, images).summary()
    wrong = same_model(reference.card, candidate.card)
    wrong += complaints(figures, limits_for(reference.card, candidate.card))
    if wrong:
        raise ExportError("what was exported is not what was trained, no file is left", fix=f"{'; '.join(wrong)}")
    return figures


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}..."
