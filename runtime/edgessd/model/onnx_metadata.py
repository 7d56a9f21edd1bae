"""Reads and writes an ONNX file's metadata without the onnx package.

An ONNX file is one protobuf message (onnx.proto, ModelProto). Its top-level fields are walked by their
length, weights unread, until the pairs of field 14 (metadata_props).
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from edgessd.errors import CardError
from edgessd.util.files import readable

IR_VERSION, METADATA_PROPS = 1, 14
MAX_METADATA_BYTES = 16 << 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_metadata(path: Path, key: str) -> str | None:
    """Return the text stored under a key, None where there is none.

    Raises InputError for a missing or empty file, CardError for one that is not whole ONNX.
    """
    size = readable(path, "ONNX file").stat().st_size
    found = None
    is_model = False
    with path.open("rb") as file:
        for number, content in _fields(file, size, path, wanted=(METADATA_PROPS,)):
            is_model = is_model or number == 7  # the graph
            if number == METADATA_PROPS:
                entry = _text_fields(content, path)
                if entry.get(1) == key:
                    found = entry.get(2, "")
    if not is_model:
        raise _damaged(path)
    return found


def with_metadata(path: Path, key: str, text: str) -> bytes:
    """Return an ONNX file's bytes with a text stored under a key, in place of what was there; all else as it is.

    Raises what ``read_metadata`` does.
    """
    size = readable(path, "ONNX file").stat().st_size
    content = path.read_bytes()
    kept, start, is_model = [], 0, False
    with path.open("rb") as file:
        for number, entry in _fields(file, size, path, wanted=(METADATA_PROPS,)):
            end = file.tell()
            is_model = is_model or number == 7  # the graph
            if number != METADATA_PROPS or _text_fields(entry, path).get(1) != key:
                kept.append(content[start:end])
            start = end
    if not is_model:
        raise _damaged(path)
    pair = b"".join(_field(number, value.encode()) for number, value in ((1, key), (2, text)))
    return b"".join([*kept, _field(METADATA_PROPS, pair)])


def _field(number: int, content: bytes) -> bytes:
    """Return one field of bytes: its tag, its length, itself."""
    length, head = len(content), bytes([number << 3 | _BYTES])
    while length > 0x7F:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + content


def ir_version(path: Path) -> int | None:
    """Return the version of ONNX's own format that a file is written in, None where it does not say."""
    with path.open("rb") as file:
        try:
            tag = _varint(file, path)
            return _varint(file, path) if tag == IR_VERSION << 3 | _VARINT else None
        except CardError:
            return None


def _damaged(path: Path) -> CardError:
    return CardError(
        f"{path} is not a whole ONNX file", fix="it may be cut off or of another kind; export or copy it again"
    )


def _fields(file: BinaryIO, size: int, path: Path, *, wanted: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    """Yield (field number, content) of a message; content is read of the wanted fields, empty for all others."""
    while file.tell() < size:
        tag = _varint(file, path)
        number, kind = tag >> 3, tag & 7
        content = b""
        if kind == _VARINT:
            _varint(file, path)
        elif kind in (_FIXED64, _FIXED32):
            file.seek(8 if kind == _FIXED64 else 4, 1)
        elif kind == _BYTES:
            length = _varint(file, path)
            if file.tell() + length > size or (number in wanted and length > MAX_METADATA_BYTES):
                raise _damaged(path)
            if number in wanted:
                content = file.read(length)
            else:
                file.seek(length, 1)
        else:
            raise _damaged(path)
        if number == 0 or file.tell() > size:
            raise _damaged(path)
        yield number, content


def _text_fields(content: bytes, path: Path) -> dict[int, str]:
    """Return the texts of one StringStringEntryProto by field number: 1 is its key, 2 its value."""
    try:
        return {number: text.decode() for number, text in _fields(BytesIO(content), len(content), path, wanted=(1, 2))}
    except UnicodeDecodeError as error:
        raise _damaged(path) from error


def _varint(file: BinaryIO, path: Path) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise _damaged(path)
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise _damaged(path)
