"""The batch size an ONNX graph was exported with, read without the onnx package.

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
