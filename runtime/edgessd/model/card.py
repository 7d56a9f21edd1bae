"""The ModelCard: all that a model is, in JSON, travelling with its weights."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from edgessd.errors import CardError, InputError
from edgessd.model.boxes import CODINGS, Variances
from edgessd.model.engine_kind import kind_of
from edgessd.model.onnx_metadata import read_metadata
from edgessd.model.priors import PriorSpec, spec_from_json
from edgessd.util.bounded_json import items, number, parse_json, short, whole
from edgessd.util.files import status

FORMAT = 1
FORMAT_OF_CODINGS = 2  # what a card says whose coding a reader of format 1 does not know
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
MAX_LABEL = 255
MAX_TOLERANCE = 1e4  # offsets of a sound network reach some tens
VARIANCES = Variances()


@dataclass(frozen=True)
class ModelCard:
    """What a model is called, sees, answers and was measured at; nothing of it is guessed elsewhere.

    height, width: the network's input in pixels. activation: what the graph applied to the logits.
    coding: what offsets are measured in: "cxcywh" (the paper's, by variances) or "ltrb" (see ``boxes``).
    contract: which tensors leave the graph (see CONTRACTS); kept is K of ``compact`` and ``end2end``.
    score_floor: the lowest score that ``end2end`` lets through; thresholds below it cannot be met.
    training: data, recipe, versions. metrics: name to value with the data they were measured on.
    quantisation: how fp16 or int8 was made. self_test: see ``edgessd.model.self_test``.
    engine: what was built, by what, for which GPU. thresholds: by label, from which score on a detection is shown
    where nobody says otherwise, chosen on validation data; labels without one have the runtime's.
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
    coding: str = "cxcywh"
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise CardError where a value is outside what the format allows."""
        try:
            self._check_values()
        except InputError as error:
            raise CardError(error.cause, fix=error.fix) from error

    def _check_values(self) -> None:
        for name in ("name", "origin", "license"):
            _check(isinstance(getattr(self, name), str), name, "text", getattr(self, name))
        for name in ("training", "metrics", "quantisation", "self_test", "engine"):
            _check(isinstance(getattr(self, name), Mapping), name, "a table", getattr(self, name))
        named = all(isinstance(label, str) and 0 < len(label) <= MAX_LABEL for label in self.labels)
        _check(named, "labels", f"names of 1 to {MAX_LABEL} characters", list(self.labels))
        _check(bool(self.labels), "labels", "at least one name", list(self.labels))
        _check(len(set(self.labels)) == len(self.labels), "labels", "names that differ", list(self.labels))
        for side in ("height", "width"):
            whole(getattr(self, side), side, 1, MAX_INPUT_SIDE)
        _check(self.activation in ACTIVATIONS, "activation", f"one of {ACTIVATIONS}", self.activation)
        _check(self.coding in CODINGS, "coding", f"one of {CODINGS}", self.coding)
        _check(self.contract in tuple(CONTRACTS), "contract", f"one of {tuple(CONTRACTS)}", self.contract)
        _check(self.precision in PRECISIONS, "precision", f"one of {PRECISIONS}", self.precision)
        number(self.nms_iou, "nms_iou", 1e-6, 1 - 1e-6)
        number(self.score_floor, "score_floor", 0, 1)
        for variance in self.variances:
            number(variance, "variances", 1e-6, 1e3)
        if self.contract != "raw":
            whole(self.kept, "kept", 1, len(self.priors))
        _check(isinstance(self.thresholds, Mapping), "thresholds", "a table", self.thresholds)
        for label, threshold in self.thresholds.items():
            _check(label in self.labels, "a label of thresholds", "one of the labels", label)
            number(threshold, f"the threshold of {label}", 0, 1)
        if self.self_test:
            self._check_self_test()

    def _check_self_test(self) -> None:
        """Raise InputError where the recorded values are not of this card's outputs, or the tolerance is none."""
        test = self.self_test
        whole(test.get("seed"), "self_test.seed", 0, 2**32 - 1)
        number(test.get("tolerance"), "self_test.tolerance", 0, MAX_TOLERANCE)
        samples = test.get("samples")
        sizes = self.compared_sizes
        if not isinstance(samples, Mapping) or set(samples) != set(sizes):
            found = sorted(samples) if isinstance(samples, Mapping) else samples
            raise CardError(f"self_test.samples must hold {', '.join(sizes)}, got {short(found)}")
        for name, size in sizes.items():
            entry = samples[name]
            if not isinstance(entry, Mapping):
                raise CardError(f"self_test.samples.{name} must be a table, got {short(entry)}")
            places, values = (items(entry.get(key), f"self_test {name} {key}") for key in ("indices", "values"))
            for place in places:
                whole(place, f"self_test {name} indices", 0, size - 1)
            for value in values:
                number(value, f"self_test {name} values", -MAX_TOLERANCE, MAX_TOLERANCE)
            # The last value is always among the samples: another number of labels or priors is found by it.
            if not places or len(places) != len(values) or max(places) != size - 1:
                raise CardError(
                    f"self_test {name} is of another number of labels or priors",
                    fix=f"this card's {name} has {size} values; export the model again",
                )

    @property
    def compared_sizes(self) -> dict[str, int]:
        """Return how many values a self-test compares of each tensor (see ``self_test.comparable``)."""
        if self.contract == "raw":
            return {name: math.prod(self.output_shape(name)) for name in self.outputs}
        return {"scores": self.kept or 0, "boxes": 4, "classes": 4 * len(self.labels)}

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
        number_of_format = FORMAT if self.coding == "cxcywh" else FORMAT_OF_CODINGS
        return {"format": number_of_format, **value, "priors_sha256": self.priors.sha256}

    def dumps(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False, allow_nan=False)


def loads(text: str, *, where: str) -> ModelCard:
    """Return the card that ``ModelCard.dumps`` wrote. Raises CardError, naming ``where`` it stood."""
    try:
        return _from_json(parse_json(text, most=MAX_CARD_BYTES))
    except InputError as error:
        raise CardError(
            f"the card of {where} is damaged: {error.cause}", fix=error.fix or "export the model again"
        ) from error


def _from_json(value: Any) -> ModelCard:
    if not isinstance(value, dict):
        raise CardError("expected a JSON object", fix="export the model again")
    if value.get("format") not in (FORMAT, FORMAT_OF_CODINGS):
        raise CardError(
            f"card format {short(value.get('format'))}, this edgessd reads {FORMAT} and {FORMAT_OF_CODINGS}",
            fix="use one version for both",
        )
    known = {entry.name for entry in fields(ModelCard)}
    missing = [key for key in ("name", "height", "width", "activation", "priors_sha256") if key not in value]
    if missing:
        raise CardError(f"it has no {missing[0]}")
    variances = items(value.get("variances"), "variances")
    if len(variances) != len(VARIANCES):
        raise CardError(f"variances must be {len(VARIANCES)} numbers, got {short(variances)}")
    card = ModelCard(
        **{key: item for key, item in value.items() if key in known - {"labels", "priors", "variances"}},
        labels=tuple(items(value.get("labels"), "labels")),
        priors=spec_from_json(value.get("priors")),
        variances=Variances(*(number(each, "variances", 1e-6, 1e3) for each in variances)),
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
            fix="export it with `edgessd export`; where a tool stripped it, `edgessd card M.onnx --from OTHER.onnx "
            "--out NEW.onnx` puts the card back; foreign weights go through `edgessd import`",
        )
    return loads(text, where=str(path))


def sidecar(engine: Path) -> Path:
    """Return where an engine's card lies: beside it, so that the engine stays clean for other tools."""
    return engine.with_name(engine.name + ".json")


def read_sidecar(engine: Path) -> ModelCard:
    """Return the card beside an engine. Raises CardError when there is none."""
    path = next((place for place in (sidecar(engine), sidecar(engine.resolve())) if status(place)), None)
    if path is None:
        raise CardError(
            f"{engine} is {kind_of(engine)}, without a card ({sidecar(engine).name})",
            fix="edgessd runs engines that `edgessd build M.onnx` made",
        )
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
        raise CardError(f"{name} must be {rule}, got {short(value)}")
