"""Which layers suffer, the fewest that must stay in float, and whether int8 is worth having."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgessd.errors import ExportError
from edgessd_export.parity.verdict import Verdict, judged
from edgessd_export.quantisation.sensitivity import Effect, draw, fewest_in_float

COSTS = {"b": 0.02, "d": 0.01, "c": 0.004, "a": 0.001}  # the mAP that each layer loses in int8


def drop(kept: Sequence[str]) -> float:
    return sum(cost for name, cost in COSTS.items() if name not in kept)


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(0.04, []), (0.02, ["b"]), (0.006, ["b", "d"]), (0.001, ["b", "d", "c"])],
)
def test_the_fewest_layers_stay_in_float(budget: float, kept: list[str]) -> None:
    assert fewest_in_float(list(COSTS), drop, budget) == kept


def test_a_budget_that_no_mixture_meets_is_refused() -> None:
    with pytest.raises(ExportError, match="use --precision fp16"):
        fewest_in_float(list(COSTS), drop, 0.0005)


def test_the_chart_is_a_picture_of_the_strongest_layers(tmp_path: Path) -> None:
    import cv2

    found = [Effect(f"layer {number}", 1 / number) for number in range(1, 91)]
    heights = []
    for count in (3, 40, 90):
        draw(found[:count], tmp_path / "s.png", "layers")
        picture = cv2.imread(str(tmp_path / "s.png"))
        assert np.ptp(picture) > 100
        heights.append(picture.shape[0])
    assert heights[0] < heights[1] == heights[2]  # 90 bars cannot be read: 40 are drawn


@pytest.mark.parametrize(
    ("ratio", "drop", "verdict", "says"),
    [
        (
            1.7,
            0.002,
            Verdict.WORTH_IT,
            "faster and within budget: 1.70x the speed in openvino, 0.0020 mAP lost",
        ),
        (
            1.7,
            -0.001,
            Verdict.WORTH_IT,
            "faster and within budget: 1.70x the speed in openvino, 0.0010 mAP gained",
        ),
        (1.7, 0.008, Verdict.OVER_BUDGET, "over the budget of 0.005: 0.0080 mAP lost"),
        (1.7, float("nan"), Verdict.OVER_BUDGET, "over the budget of 0.005: nan mAP gained"),
        (
            0.5,
            0.002,
            Verdict.NOT_FASTER,
            "not worth it here: 100% slower in openvino, 0.0020 mAP lost (budget 0.005)",
        ),
        (
            1.02,
            0.0,
            Verdict.NOT_FASTER,
            "not worth it here: 2% faster in openvino, 0.0000 mAP lost (budget 0.005)",
        ),
    ],
)
def test_the_verdict_is_honest(ratio: float, drop: float, verdict: Verdict, says: str) -> None:
    figures = {"speed": {"ratio": ratio}, "map": {"drop": drop}}
    assert judged(figures, "int8", 0.005, here="openvino") == (verdict, f"INT8 is {says}")
