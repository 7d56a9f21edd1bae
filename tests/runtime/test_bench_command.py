import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgessd.bench.measure import percentiles_ms

Edgessd = Callable[..., tuple[int, str, str]]


def test_the_figures_of_a_short_run(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    code, out, err = edgessd("bench", tiny, video, "--frames", "40", "--json", path)
    assert code == 0, err
    assert "FPS end to end" in out
    figures = json.loads(path.read_text())
    assert figures["frames"] == 40
    assert set(figures["stages"]) == {"decode", "resize", "inference", "postprocess", "hand_over", "overhead"}
    for values in (*figures["stages"].values(), figures["frame_age_ms"]):
        assert 0 <= values["p50"] <= values["p90"] <= values["p99"]
    assert figures["fps"] > 0
    assert figures["cpu_ms_per_frame"] > 0
    assert figures["rss_mb"] > 10
    assert figures["model"]["name"] == "tiny"
    assert figures["machine"]["cores"] >= 1
    assert {"numpy", "opencv"} <= set(figures["machine"]["versions"])


def test_a_paced_camera_counts_what_it_drops(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    code, _, err = edgessd("bench", tiny, "--frames", "20", "--pace", "200", "--json", path)
    assert code == 0, err
    figures = json.loads(path.read_text())
    assert figures["live"]
    assert figures["dropped"] >= 0


def test_percentiles() -> None:
    assert percentiles_ms([0.001] * 99 + [0.1]) == pytest.approx({"p50": 1, "p90": 1, "p99": 1.99}, abs=0.01)


def test_info_prints_the_card_and_the_choice(edgessd: Edgessd, tiny: Path) -> None:
    code, out, _ = edgessd("info", tiny)
    assert code == 0
    for words in ("raw", "blue, red", "backend auto", "offsets (B, 12, 4)"):
        assert words in out
    code, out, _ = edgessd("info", tiny, "--json")
    assert json.loads(out)["labels"] == ["blue", "red"]
