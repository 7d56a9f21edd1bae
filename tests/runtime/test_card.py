import json
from pathlib import Path

import pytest

from edgessd.errors import InputError
from edgessd.model.boxes import Variances
from edgessd.model.card import CardError, ModelCard, card_of, loads, sidecar
from edgessd.model.priors import FeatureMap, PriorSpec

MAPS = FeatureMap(38, 38, (1 / 38, 1 / 38), ((0.1, 0.2),) * 4), FeatureMap(1, 1, (1.0, 1.0), ((0.5, 1.0),))
CARD = ModelCard("x", ("cat", "dog"), 300, 300, PriorSpec(MAPS), "softmax", Variances(0.1, 0.2), origin="here")


def test_a_card_survives_json() -> None:
    assert loads(CARD.dumps(), where="x") == CARD


def test_edited_priors_are_found() -> None:
    value = json.loads(CARD.dumps())
    value["priors"]["maps"][0]["offset"] = 0.4
    with pytest.raises(CardError, match="priors were edited"):
        loads(json.dumps(value), where="x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 99),
        ("labels", []),
        ("labels", ["cat", "cat"]),
        ("height", 0),
        ("width", 10**6),
        ("activation", "relu"),
        ("contract", "magic"),
        ("contract", "compact"),
        ("precision", "int3"),
        ("nms_iou", 0),
        ("variances", [0.1, -1]),
        ("variances", [0.1, 0.1, 0.2, 0.2]),
    ],
)
def test_a_value_outside_the_format_is_refused(key: str, value: object) -> None:
    changed = {**json.loads(CARD.dumps()), key: value}
    with pytest.raises(CardError):
        loads(json.dumps(changed), where="x")


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", '"card"'])
def test_text_that_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(CardError, match="somewhere"):
        loads(text, where="somewhere")


def test_output_shapes() -> None:
    assert [CARD.output_shape(name) for name in CARD.outputs] == [(5777, 4), (5777, 2)]
    compact = CARD.with_changes(contract="compact", kept=400)
    assert [compact.output_shape(name) for name in compact.outputs] == [(400, 4), (400,), (400,)]


def test_kept_never_exceeds_the_priors() -> None:
    with pytest.raises(CardError, match="5777"):
        CARD.with_changes(contract="compact", kept=5778)


def test_card_of_an_onnx_file(tiny: Path) -> None:
    card = card_of(tiny)
    assert (card.labels, card.height, card.width) == (("blue", "red"), 24, 32)


def test_every_cut_of_an_onnx_file_is_refused(tiny: Path, tmp_path: Path) -> None:
    """A cut file may lose its card or its graph; it must never pass as whole, nor crash."""
    content = tiny.read_bytes()
    cut = tmp_path / "cut.onnx"
    for length in range(0, len(content) - 1, 37):
        cut.write_bytes(content[:length])
        with pytest.raises(InputError):
            card_of(cut)


def test_noise_is_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.onnx"
    for seed in range(50):
        noise.write_bytes(bytes((seed * 31 + k * k * 7) % 256 for k in range(400)))
        with pytest.raises(CardError):
            card_of(noise)


def test_an_engine_without_its_card(tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    engine.write_bytes(b"x")
    with pytest.raises(CardError, match=r"m\.engine\.json"):
        card_of(engine)
    sidecar(engine).write_bytes(b"\xff\xfe")
    with pytest.raises(CardError):
        card_of(engine)


def test_a_card_of_another_coding_says_so_to_older_readers() -> None:
    card = CARD.with_changes(coding="ltrb", thresholds={"cat": 0.4})
    assert card.as_json()["format"] == 2
    assert CARD.as_json()["format"] == 1
    assert loads(card.dumps(), where="here") == card


@pytest.mark.parametrize("change", [{"coding": "xywh"}, {"thresholds": {"hen": 0.5}}, {"thresholds": {"cat": 1.5}}])
def test_a_coding_or_threshold_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(CardError):
        CARD.with_changes(**change)
