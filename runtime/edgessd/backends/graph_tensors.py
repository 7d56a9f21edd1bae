"""A graph's tensors held to its card when a model is loaded: names, types and sizes, on every backend."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import BackendError, CardError
from edgessd.model.card import ModelCard
from edgessd.model.onnx_metadata import ir_version
from edgessd.util.extras import pip_install

INPUT = "image"
OUR_IR_VERSION = 10  # of the files that `edgessd export` writes
FLOATS, INTEGERS = ("float32", "float16"), ("int32", "int64")
TYPES = {"offsets": FLOATS, "scores": FLOATS, "boxes": FLOATS, "classes": INTEGERS, "count": INTEGERS}


class GraphTensor(NamedTuple):
    """dtype: as numpy calls it. shape: batch included, None for a size known at run time alone."""

    dtype: str
    shape: tuple[int | None, ...]


@contextmanager
def names_as_text(path: Path) -> Iterator[None]:
    """Raise CardError where a graph's names are bytes that are no UTF-8, which the engines' bindings trip over."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise CardError(f"{path} has names that are not UTF-8 text", fix="export the model again") from error


def check_graph(
    card: ModelCard, path: Path, inputs: Mapping[str, GraphTensor], outputs: Mapping[str, GraphTensor]
) -> None:
    """Raise CardError where a graph's tensors are not those of its card's contract."""
    if set(inputs) != {INPUT} or not set(card.outputs) <= set(outputs):
        raise CardError(
            f"{path} and its card disagree: contract {card.contract} has image -> {', '.join(card.outputs)}, "
            f"the graph {', '.join(sorted(inputs))} -> {', '.join(sorted(outputs))}",
            fix="export the model again",
        )
    _check(card, path, INPUT, inputs[INPUT], (card.height, card.width, 3), ("uint8",))
    for name in card.outputs:
        _check(card, path, name, outputs[name], card.output_shape(name), TYPES[name])


def check_outputs(card: ModelCard, path: Path | str, outputs: Sequence[NDArray[Any]]) -> None:
    """Raise CardError where the tensors of one image are not of the card's sizes, BackendError for values not finite.

    A graph may leave sizes open that only an inference tells.
    """
    for name, tensor in zip(card.outputs, outputs, strict=True):
        _check(card, path, name, GraphTensor(tensor.dtype.name, tensor.shape), card.output_shape(name), TYPES[name])
        if not np.isfinite(tensor).all():
            raise BackendError(
                f"{path} gives {name} that are not finite numbers (NaN or infinity)",
                fix="use another backend or precision, or export the model again",
            )
    classes = dict(zip(card.outputs, outputs, strict=True)).get("classes")
    if classes is not None and classes.size and not 0 <= classes.min() <= classes.max() < len(card.labels):
        raise CardError(
            f"{path} and its card disagree: the graph gives class {int(classes.max())}, the card has "
            f"{len(card.labels)} labels",
            fix="export the model again",
        )


def _check(
    card: ModelCard, path: Path | str, name: str, found: GraphTensor, row: tuple[int, ...], types: tuple[str, ...]
) -> None:
    shape = found.shape[1:]
    if found.shape and (len(shape) != len(row) or any(a not in (None, b) for a, b in zip(shape, row, strict=True))):
        labels = f" ({len(card.labels)} labels)" if name == "scores" and card.contract == "raw" else ""
        raise CardError(
            f"{path} and its card disagree: the card's {name} is {row} behind the batch{labels}, the graph's {shape}",
            fix="export the model again",
        )
    if found.dtype not in types:
        raise CardError(
            f"{path} and its card disagree: {name} is {found.dtype} in the graph, expected {' or '.join(types)}",
            fix="export the model again",
        )


def load_advice(path: Path, library: str) -> str:
    """Return what to do about a file that a library does not load: newer libraries read newer files."""
    version = ir_version(path)
    if version is not None and version > OUR_IR_VERSION:
        return (
            f"the file has ONNX IR version {version}; a newer {library} may read it, {pip_install('-U', library)}, "
            "or export it again with this edgessd"
        )
    return "export the model again"
