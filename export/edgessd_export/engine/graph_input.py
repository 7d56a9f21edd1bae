"""What an ONNX graph says of itself, read without the onnx package: its batch size, and the files beside it.

Protobuf fields are walked by their length (onnx.proto: ModelProto.graph 7, GraphProto.input 11, ValueInfoProto.type
2, TypeProto.tensor_type 1, Tensor.shape 2, TensorShapeProto.dim 1, Dimension.dim_value 1); the file is mapped, so
that weights are stepped over and never loaded.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from edgessd.errors import CardError

GRAPH, INPUT, TYPE, TENSOR, SHAPE, DIM, DIM_VALUE = 7, 11, 2, 1, 2, 1, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# GraphProto.node 1, initializer 5, sparse_initializer 15; NodeProto.attribute 5; AttributeProto.t 5, g 6, tensors 10,
# graphs 11; SparseTensorProto.values 1, indices 2; TensorProto.external_data 13; StringStringEntryProto.key 1, value 2.
TENSORS_OF = {"model": {7: "graph"}, "graph": {1: "node", 5: "tensor", 15: "sparse"}, "node": {5: "attribute"},
              "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"}, "sparse": {1: "tensor", 2: "tensor"},
              "tensor": {13: "entry"}}  # fmt: skip
KEY, VALUE = 1, 2
MAX_DEPTH = 32
Span = tuple[int, int]


def fixed_batch(onnx: Path) -> int | None:
    """Return the batch size of the graph's input, None for a dynamic one. Raises CardError for damaged ONNX."""
    with onnx.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            span: Span = (0, len(data))
            for field in (GRAPH, INPUT, TYPE, TENSOR, SHAPE, DIM):
                span = next(value for number, value in _messages(data, span) if number == field)
            sizes = [value for number, value in _numbers(data, span) if number == DIM_VALUE]
        except (IndexError, StopIteration) as error:
            raise CardError(f"{onnx} has no input with a batch axis", fix="export the model again") from error
    return sizes[0] if sizes and sizes[0] > 0 else None


def external_files(onnx: Path) -> list[Path]:
    """Return the files beside an ONNX file that hold weights of it, in order; most models have none.

    Raises CardError for damaged ONNX and for a place outside the file's folder.
    """
    found: dict[Path, None] = {}
    with onnx.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        left: list[tuple[str, Span, int]] = [("model", (0, len(data)), 0)]
        try:
            while left:
                kind, span, depth = left.pop()
                if depth > MAX_DEPTH:
                    raise IndexError(f"nested deeper than {MAX_DEPTH}")
                for number, inner in _messages(data, span):
                    below = TENSORS_OF[kind].get(number)
                    if below == "entry":
                        entry = {key: data[slice(*value)] for key, value in _messages(data, inner)}
                        if entry.get(KEY) == b"location":
                            found[_beside(onnx, entry.get(VALUE, b""))] = None
                    elif below:
                        left.append((below, inner, depth + 1))
        except IndexError as error:
            raise CardError(f"{onnx} is not a whole ONNX file", fix="export or copy it again") from error
    return sorted(found)


def _beside(onnx: Path, location: bytes) -> Path:
    """Return where external data lie. Raises CardError for a place outside the model's folder, or no file there."""
    name = location.decode(errors="replace")
    path = onnx.parent / name
    if not name or "\0" in name or onnx.parent.resolve() not in path.resolve().parents:
        raise CardError(f"{onnx} keeps weights outside its folder, at {name!r}", fix="save the model as one file")
    if not path.is_file():
        raise CardError(f"{onnx} keeps weights in {name}, which is not beside it", fix="copy both files together")
    return path


def _messages(data: mmap.mmap, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield (field number, span) of the length-delimited fields of the message in a span."""
    for number, kind, start, end in _fields(data, span):
        if kind == _BYTES:
            yield number, (start, end)


def _numbers(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int]]:
    for number, kind, start, _ in _fields(data, span):
        if kind == _VARINT:
            yield number, _varint(data, start)[0]


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field number, wire type, start, end). Raises IndexError where a length leaves the span."""
    position, last = span
    while position < last:
        tag, start = _varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            end = _varint(data, start)[1]
        elif kind == _BYTES:
            length, start = _varint(data, start)
            end = start + length
        elif kind in (_FIXED64, _FIXED32):
            end = start + (8 if kind == _FIXED64 else 4)
        else:
            raise IndexError(f"wire type {kind}")
        if end > last:
            raise IndexError(f"a field ends at {end} of {last}")
        yield tag >> 3, kind, start, end
        position = end


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    """Return the number at a position and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80 or shift > 63:
            return value, position
