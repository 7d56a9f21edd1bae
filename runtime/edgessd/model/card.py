"""The ModelCard: all that a model is, in JSON, travelling with its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgessd.errors import CardError
from edgessd.model.boxes import Variances
from edgessd.model.onnx_metadata import read_metadata
from edgessd.model.priors import PriorSpec, spec_from_json

FORMAT = 1
METADATA_KEY = "edgessd"
ACTIVATIONS = ("softmax", "sigmoid")
CONTRACTS = {
    "raw": ("offsets", "scores"),
    "compact": ("boxes", "scores", "classes"),
    "end2end": ("boxes", "scores", "classes", "count"),
}
PRECISIONS = ("fp32", "fp16", "int8")
MAX_CARD_BYTES = 4 << 20
MAX_INPUT_SIDE = 8192
VARIANCES = Variances()


@dataclass(frozen=True)
class ModelCard:
    """What a model is called, sees, answers and was measured at; nothing of it is guessed elsewhere.

    height, width: the network's input in pixels. activation: what the graph applied to the logits.
    contract: which tensors leave the graph (see CONTRACTS); kept is K of ``compact`` and ``end2end``.
    score_floor: the lowest score that ``end2end`` lets through; thresholds below it cannot be met.
    training: data, recipe, versions. metrics: name to value with the data they were measured on.
    quantisation: how fp16 or int8 was made. self_test: see ``edgessd.model.self_test``.
    engine: what was built, by what, for which GPU.
    """

    name: str
    labels: tuple[str, ...]
    height: int
    width: int
    priors: PriorSpec
    activation: str
    variances: Variances = VARIANCES
    nms_iou: float = 0.45
    contract: str = "raw"
    kept: int | None = None
    score_floor: float = 0.0
    precision: str = "fp32"
    origin: str = ""
    license: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    quantisation: Mapping[str, Any] = field(default_factory=dict)
    self_test: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise CardError where a value is outside what the format allows."""
        _check(bool(self.labels), "labels", "at least one name", list(self.labels))
        _check(len(set(self.labels)) == len(self.labels), "labels", "names that differ", list(self.labels))
        for side in ("height", "width"):
            value = getattr(self, side)
            _check(0 < value <= MAX_INPUT_SIDE, side, f"1 to {MAX_INPUT_SIDE}", value)
        _check(self.activation in ACTIVATIONS, "activation", f"one of {ACTIVATIONS}", self.activation)
        _check(self.contract in CONTRACTS, "contract", f"one of {tuple(CONTRACTS)}", self.contract)
        _check(self.precision in PRECISIONS, "precision", f"one of {PRECISIONS}", self.precision)
        _check(0 < self.nms_iou < 1, "nms_iou", "between 0 and 1", self.nms_iou)
        _check(min(self.variances) > 0, "variances", "positive numbers", self.variances)
        if self.contract != "raw":
            _check(
                self.kept is not None and 0 < self.kept <= len(self.priors),
                "kept",
                f"1 to the {len(self.priors)} priors",
                self.kept,
            )

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the output tensors, in order."""
        return CONTRACTS[self.contract]

    def output_shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of one output without its batch axis."""
        prior_count, kept = len(self.priors), self.kept or 0
        if self.contract == "raw":
            return (prior_count, 4) if tensor == "offsets" else (prior_count, len(self.labels))
        return {"boxes": (kept, 4), "scores": (kept,), "classes": (kept,), "count": ()}[tensor]

    def with_changes(self, **changes: Any) -> "ModelCard":
        """Return a copy with some fields replaced."""
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values."""
        value = asdict(self)
        value["priors"] = self.priors.as_json()
        value["variances"] = list(self.variances)
        value["labels"] = list(self.labels)
        return {"format": FORMAT, **value, "priors_sha256": self.priors.sha256}

    def dumps(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False)


def loads(text: str, *, where: str) -> ModelCard:
    """Return the card that ``ModelCard.dumps`` wrote. Raises CardError, naming ``where`` it stood."""
    try:
        return _from_json(json.loads(text))
    except CardError as error:
        raise error.within(f"the card of {where} is damaged") from error
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CardError(f"the card of {where} is damaged ({error!r})", fix="export the model again") from error


def _from_json(value: Any) -> ModelCard:
    if not isinstance(value, dict):
        raise CardError("expected a JSON object", fix="export the model again")
    if value.get("format") != FORMAT:
        raise CardError(
            f"card format {value.get('format')!r}, this edgessd reads {FORMAT}", fix="use one version for both"
        )
    known = {entry.name for entry in fields(ModelCard)}
    card = ModelCard(
        **{key: item for key, item in value.items() if key in known - {"labels", "priors", "variances"}},
        labels=tuple(str(label) for label in value["labels"]),
        priors=spec_from_json(value["priors"]),
        variances=Variances(*(float(number) for number in value["variances"])),
    )
    if card.priors.sha256 != value["priors_sha256"]:
        raise CardError("the priors were edited after the export (their hash differs)", fix="export the model again")
    return card


def card_of(path: Path) -> ModelCard:
    """Return the card of an ONNX file (from its metadata) or of an engine (``NAME.engine.json``).

    Raises CardError when the file carries none.
    """
    if path.suffix == ".engine":
        return read_sidecar(path)
    text = read_metadata(path, METADATA_KEY)
    if text is None:
        raise CardError(
            f"{path} is an ONNX file without an edgessd card (labels, priors, variances)",
            fix="export it with `edgessd export`, or import its weights with `edgessd import`",
        )
    return loads(text, where=str(path))


def sidecar(engine: Path) -> Path:
    """Return where an engine's card lies: beside it, so that the engine stays clean for other tools."""
    return engine.with_name(engine.name + ".json")


def read_sidecar(engine: Path) -> ModelCard:
    """Return the card beside an engine. Raises CardError when there is none."""
    path = sidecar(engine)
    if not path.is_file():
        raise CardError(f"no card beside {engine}", fix=f"expected {path}; build the engine with `edgessd build`")
    if path.stat().st_size > MAX_CARD_BYTES:
        raise CardError(
            f"{path} is larger than {MAX_CARD_BYTES} bytes, too large for a card", fix="build the engine again"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CardError(f"{path} is not text", fix="build the engine again") from error
    return loads(text, where=str(engine))


def _check(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise CardError(f"{name} must be {rule}, got {value!r}")
