from collections.abc import Callable
from pathlib import Path

import pytest

from edgessd.errors import InputError
from edgessd.model.card import card_of
from edgessd.model.shipped import FORMER, HERE, model_path, shipped
from edgessd.sources import open_source

MOST_BYTES = 25_000_000


def test_default_is_a_raw_model_of_vocs_classes() -> None:
    card = card_of(model_path("default"))
    assert (card.precision, card.contract) == ("fp32", "raw")
    assert "person" in card.labels
    assert len(card.labels) == 20


def test_every_shipped_card_is_complete() -> None:
    for name, path in shipped().items():
        card = card_of(path)
        assert card.license == "Apache-2.0", name
        assert card.origin, name
        assert card.self_test, name
        assert card.metrics, name
        assert card.training["data"]["source"] == "VOC2007 trainval, train", name
        assert set(card.thresholds) == set(card.labels), name


def test_the_shipped_models_stay_small() -> None:
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.is_file()) < MOST_BYTES


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="shipped models: default, "):
        model_path("yolo")


def test_a_former_name_gives_what_took_its_place_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    for name, successor in FORMER.items():
        caplog.clear()
        assert model_path(name) == shipped()[name] == shipped()[successor]
        assert name not in shipped()
        assert name in caplog.text
        assert successor in caplog.text
    with pytest.raises(KeyError):
        shipped()["yolo"]


def test_demo_runs_and_runs_again(edgessd: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    for _ in range(2):
        code, out, err = edgessd("demo", "--out", tmp_path / "demo", "--frames", "36")
        assert code == 0, err
        assert "FPS" in out
        for label in ("person", "cat", "motorbike"):
            assert f"{label} in " in out
    names = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert names == ["annotated.mp4", "clip-36.mp4", "snapshot.jpg"]
    assert open_source(str(tmp_path / "demo" / "clip-36.mp4")).frame_count == 36
