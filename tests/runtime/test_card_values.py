"""Every value of a card from outside: its type, its range, and one line for what is wrong."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from edgessd import Detector
from edgessd.errors import CardError, EdgessdError
from edgessd.model.card import METADATA_KEY, card_of, loads

onnx = pytest.importorskip("onnx")
HUGE = int("9" * 400)
Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "variance nan": lambda card: card.update(variances=[0.1, float("nan")]),
    "variance inf": lambda card: card.update(variances=[float("inf"), 0.2]),
    "variance huge": lambda card: card.update(variances=[HUGE, 0.2]),
    "variance of text": lambda card: card.update(variances="ab"),
    "tolerance inf": lambda card: card["self_test"].update(tolerance=float("inf")),
    "tolerance null": lambda card: card["self_test"].update(tolerance=None),
    "tolerance true": lambda card: card["self_test"].update(tolerance=True),
    "height float": lambda card: card.update(height=float(card["height"])),
    "height huge": lambda card: card.update(height=HUGE),
    "metrics null": lambda card: card.update(metrics=None),
    "engine list": lambda card: card.update(engine=[]),
    "contract list": lambda card: card.update(contract=["raw"]),
    "origin number": lambda card: card.update(origin=7),
    "no samples": lambda card: card.update(self_test={"seed": 1, "tolerance": 1}),
    "samples of text": lambda card: card["self_test"].update(samples="scores"),
    "seed negative": lambda card: card["self_test"].update(seed=-1),
    "another tensor": lambda card: card["self_test"]["samples"].pop("scores"),
    "index outside": lambda card: card["self_test"]["samples"]["scores"].update(indices=[10**9]),
    "value text": lambda card: card["self_test"]["samples"]["scores"].update(values=["1"] * 24),
    "labels dict": lambda card: card.update(labels={"0": "blue", "1": "red"}),
    "labels text": lambda card: card.update(labels="ab"),
    "label number": lambda card: card.update(labels=[1, 2]),
    "label surrogate": lambda card: card.update(labels=["\ud800", "red"]),
    "label empty": lambda card: card.update(labels=["", "red"]),
    "more labels": lambda card: card.update(labels=["BACKGROUND", "blue", "red"]),
    "fewer labels": lambda card: card.update(labels=["blue"]),
    "priors null": lambda card: card.update(priors=None),
    "map of text": lambda card: card["priors"].update(maps=["x"]),
    "grid huge": lambda card: card["priors"]["maps"][0].update(height=HUGE),
    "step inf": lambda card: card["priors"]["maps"][0].update(step_wh=[float("inf"), 1]),
    "clip text": lambda card: card["priors"].update(clip="false"),
    "deep": lambda card: card.update(training=json.loads("[" * 200 + "]" * 200)),
    "no name": lambda card: card.pop("name"),
}


def with_card(source: Path, target: Path, text: str) -> Path:
    model = onnx.load(source)
    entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    entry.value = text
    onnx.save(model, str(target))
    return target


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_value_is_one_line(tiny: Path, name: str) -> None:
    card = card_of(tiny).as_json()
    CHANGES[name](card)
    with pytest.raises(CardError) as refused:
        loads(json.dumps(card), where="m.onnx")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 5000, "1" * 5000, '"\\ud800"', "{" + " " * (5 << 20) + "}", "1e999"]
)
def test_text_that_is_no_card_is_one_line(tiny: Path, text: str) -> None:
    with pytest.raises(CardError) as refused:
        loads(text, where="m.onnx")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("labels", [["blue"], ["BACKGROUND", "blue", "red"]])
def test_labels_that_do_not_fit_the_graph_are_refused_without_a_self_test(
    tiny: Path, tmp_path: Path, backend: str, labels: list[str]
) -> None:
    pytest.importorskip(backend)
    card = {**card_of(tiny).as_json(), "labels": labels, "self_test": {}}
    path = with_card(tiny, tmp_path / "m.onnx", json.dumps(card))
    with pytest.raises(CardError, match=f"{len(labels)} labels"):
        Detector(path, backend=backend)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_card_of_another_input_size_is_refused(tiny: Path, tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    card = {**card_of(tiny).as_json(), "height": 48}
    path = with_card(tiny, tmp_path / "m.onnx", json.dumps(card))
    with pytest.raises(CardError, match=r"image is \(48, 32, 3\)"):
        Detector(path, backend=backend)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_names_that_are_no_text_are_one_line(tiny: Path, tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny.read_bytes().replace(b"batch", b"b\x80\xffch"))
    with pytest.raises(EdgessdError) if backend == "onnxruntime" else nullcontext():
        Detector(path, backend=backend).close()
