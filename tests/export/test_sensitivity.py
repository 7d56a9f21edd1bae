"""Which layers suffer, and the fewest that must stay in float; on the graph of three convolutions of test_qdq."""

from pathlib import Path

import numpy as np
import pytest

from edgessd.errors import ExportError
from edgessd_export.sensitivity import Effect, draw


def shortest(costs: dict[str, float], budget: float, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what fewest_in_float leaves in float when each int8 layer costs so much mAP."""
    from edgessd_export import sensitivity

    # A mixture is stood for by the set of its float layers: the search is what is tested.
    monkeypatch.setattr(sensitivity, "quantised", lambda model, int8: set(int8.keep_float))
    monkeypatch.setattr(sensitivity, "graph_model", lambda mixed, card, name: mixed)
    ranked = [Effect(name, cost) for name, cost in sorted(costs.items(), key=lambda item: -item[1])]

    def drop(mixed: set[str]) -> float:
        return sum(cost for name, cost in costs.items() if name not in mixed)

    from edgessd_export.calibration import Calibration
    from edgessd_export.quantize import Int8

    return sensitivity.fewest_in_float(
        None, None, Int8("cpu", Calibration("max", 1, "", {})), ranked, drop, budget  # type: ignore[arg-type]
    )  # fmt: skip


COSTS = {"a": 0.001, "b": 0.02, "c": 0.004, "d": 0.01}


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(0.04, []), (0.02, ["b"]), (0.006, ["b", "d"]), (0.001, ["b", "d", "c"])],
)
def test_the_fewest_layers_stay_in_float(monkeypatch: pytest.MonkeyPatch, budget: float, kept: list[str]) -> None:
    assert shortest(COSTS, budget, monkeypatch) == kept


def test_a_budget_that_no_mixture_meets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match="use --precision fp16"):
        shortest(COSTS, 0.0005, monkeypatch)


def test_the_chart_is_a_picture_with_a_bar_a_layer(tmp_path: Path) -> None:
    import cv2

    draw([Effect(f"layer {number}", 1 / number) for number in range(1, 41)], tmp_path / "s.png", "forty layers")
    picture = cv2.imread(str(tmp_path / "s.png"))
    assert picture.shape[0] > 900
    assert np.ptp(picture) > 100
