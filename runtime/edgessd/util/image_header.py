"""What an encoded image says of itself before it is decoded: its size, whether it is whole, whether it moves."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from edgessd.errors import InputError

MAX_PIXELS = 1 << 26  # of one picture anywhere: 8192 x 8192, 200 MB when decoded
PNG, JPEG, RIFF, GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF", (b"GIF87a", b"GIF89a")
TIFF = (b"II*\0", b"MM\0*")
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those three mean other things
_START_OF_SCAN, _END_OF_IMAGE, _EXIF = 0xDA, 0xD9, 0xE1
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
# Entropy-coded data ends at a marker; a stuffed zero, a restart and a fill byte belong to it.
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)  # decoders skip what else stands between segments
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_ORIENTATIONS = range(1, 9)
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
_WIDTH, _HEIGHT, _ORIENTATION = 0x0100, 0x0101, 0x0112  # tags of TIFF and EXIF
_SUBFILE, _REDUCED = 0x00FE, 1
_LONG = 4
UPRIGHT = 1
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis"})
_VP8_START = b"\x9d\x01\x2a"


def size_hw(content: bytes) -> tuple[int, int] | None:
    """Return height and width as decoded, turned by EXIF; None for an unknown format or a damaged header."""
    try:
        if content.startswith(PNG):
            return _png_size(content)
        if content.startswith(JPEG):
            return _jpeg_size(content)
        if content.startswith(RIFF) and content[8:12] == b"WEBP":
            return _webp_size(content)
        if content.startswith(GIF):
            width, height = struct.unpack_from("<HH", content, 6)
            return height, width
        if content.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", content, 18)
            return abs(height), abs(width)
    except struct.error:
        return None
    return None


def check_pixels(content: bytes, name: str) -> None:
    """Raise InputError for an image whose header declares more than MAX_PIXELS."""
    found = size_hw(content) or _tiff_size(content)
    if found and found[0] * found[1] > MAX_PIXELS:
        raise too_large(name, *found)


def unreadable_kind(content: bytes) -> tuple[str, str] | None:
    """Return what a file that does not decode as an image is, and the fix; None where its bytes do not say."""
    if content[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page: its download failed", "download it again"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF:
        return "it is a HEIC or AVIF photograph, whatever its name says", "convert it to JPEG"
    if content.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS", "fetch the file with `git lfs pull`"
    if not content:
        return "it is empty", "copy it again or leave it out"
    return None


def too_large(name: str, height: int, width: int) -> InputError:
    """Return the error for a picture of too many pixels."""
    return InputError(
        f"a picture has at most {MAX_PIXELS:,} pixels, {name} declares {width}x{height}", fix="scale it down"
    )


def missing_part(content: bytes) -> str | None:
    """Return what is missing from a JPEG, PNG or WebP, None when nothing is or the format is another.

    Decoders fill a cut-off JPEG with grey and report success.
    """
    if content.startswith(JPEG):
        return None if _jpeg_is_whole(content) else "no end-of-image marker"
    if content.startswith(PNG):
        return _missing_png(content)
    if content.startswith(RIFF) and content[8:12] == b"WEBP":
        announced = int.from_bytes(content[4:8], "little") + 8
        return None if len(content) >= announced else f"{len(content):,} of {announced:,} bytes"
    return None


def orientation(content: bytes) -> int:
    """Return the EXIF orientation of a JPEG, PNG, WebP or TIFF, 1 (upright) where there is none."""
    if content.startswith(TIFF):
        return _orientation(content)
    if has_webp_exif(content):
        at = content.rfind(b"EXIF")  # behind the pixels
        return _orientation(content[at + 8 :].removeprefix(b"Exif\0\0")) if at >= 0 else UPRIGHT
    if content.startswith(PNG):
        at = content.find(b"eXIf", 0, 1 << 20)
        return _orientation(content[at + 4 :]) if at >= 0 else UPRIGHT
    at = content.find(b"Exif\0\0", 0, 1 << 20) if content.startswith(JPEG) else -1
    return _orientation(content[at + 6 :]) if at >= 0 else UPRIGHT


def has_webp_exif(content: bytes) -> bool:
    """Return whether the header of a WebP announces EXIF, which stands behind the pixels."""
    return content.startswith(RIFF) and content[12:16] == b"VP8X" and bool(content[20] & 0x08)


def bits_per_sample(content: bytes) -> int:
    """Return the bits of one sample of a PNG, 8 for another format."""
    return content[24] if content.startswith(PNG) and len(content) > 24 else 8


def is_animated(content: bytes) -> bool:
    """Return whether a WebP or PNG holds more than one picture."""
    if content.startswith(PNG):
        control = content.find(b"acTL", 0, 1 << 16)
        return 0 <= control < content.find(b"IDAT")
    return content[12:16] == b"VP8X" and content.startswith(RIFF) and bool(content[20] & 0x02)


def _png_size(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    at = len(PNG)
    while at + 12 <= len(content) and content[at + 4 : at + 8] != b"IDAT":
        (length,) = struct.unpack_from(">I", content, at)
        if content[at + 4 : at + 8] == b"eXIf" and _orientation(content[at + 8 : at + 8 + length]) in _TURNED:
            return width, height
        at += 12 + length
    return height, width


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    at, turned = 2, False
    while found := _MARKER.search(content, at):
        at = found.start()
        marker = content[at + 1]
        if marker in _ALONE:
            at += 2
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return None
        (length,) = struct.unpack_from(">H", content, at + 2)
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", content, at + 5)
            if not height or not width:
                return None
            return (width, height) if turned else (height, width)
        if marker == _EXIF and content[at + 4 : at + 10] == b"Exif\0\0":
            turned = _orientation(content[at + 10 : at + 2 + length]) in _TURNED
        at += 2 + max(length, 2)
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        return int.from_bytes(content[27:30], "little") + 1, width
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == _VP8_START:
        width, height = struct.unpack_from("<HH", content, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _jpeg_is_whole(content: bytes) -> bool:
    """Return whether its end is reached from its start, whatever lies behind it: a phone appends a video."""
    at = 2
    while next_marker := _MARKER.search(content, at):
        at = next_marker.start()
        marker = content[at + 1]
        if marker == _END_OF_IMAGE:
            return True
        if marker in _ALONE:
            at += 2
        else:
            at += 2 + max(int.from_bytes(content[at + 2 : at + 4], "big"), 2)
            if marker == _START_OF_SCAN:
                found = _AFTER_SCAN.search(content, at)
                if found is None:
                    return False
                at = found.start()
    return False


def _missing_png(content: bytes) -> str | None:
    at = len(PNG)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if end > len(content):
            return f"its chunk {kind!r} ends after the file"
        if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return f"the checksum of its chunk {kind!r} is wrong"
        if kind == b"IEND":
            return None
        at = end
    return "no IEND chunk"


def _tiff_size(content: bytes) -> tuple[int, int] | None:
    """Return a TIFF's height and width as stored, None for another format."""
    tags = _tags(content)
    return (tags[_HEIGHT], tags[_WIDTH]) if _HEIGHT in tags and _WIDTH in tags else None


def _orientation(tiff: bytes) -> int:
    """Return the EXIF orientation, 1 (upright) where there is none or none of the eight: decoders turn nothing then."""
    found = _tags(tiff).get(_ORIENTATION, UPRIGHT)
    return found if found in _ORIENTATIONS else UPRIGHT


class Page(NamedTuple):
    """A page of a TIFF. reduced: a smaller copy of another page."""

    height: int
    width: int
    reduced: bool


def tiff_pages(content: bytes) -> list[Page]:
    """Return every page of a TIFF; none for another format."""
    return [
        Page(tags.get(_HEIGHT, 0), tags.get(_WIDTH, 0), bool(tags.get(_SUBFILE, 0) & _REDUCED))
        for tags in _directories(content)
    ]


def _tags(tiff: bytes) -> dict[int, int]:
    """Return the numeric tags of the first directory of a TIFF, or of EXIF, which is one; empty for anything else."""
    return next(_directories(tiff), {})


def _directories(tiff: bytes) -> Iterator[dict[int, int]]:
    """Yield the numeric tags of each directory; where one is cut off, those before the cut."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    place = int.from_bytes(tiff[4:8], "little" if order == "<" else "big")
    unread = len(tiff)  # directories do not overlap: a file whose directories do could keep us busy for hours
    while order is not None and 0 < place < len(tiff):
        tags: dict[int, int] = {}
        try:
            (count,) = struct.unpack_from(order + "H", tiff, place)
            end = place + 2 + 12 * count
            unread -= end - place
            if unread < 0:
                return
            for entry in range(place + 2, end, 12):
                tag, kind, _ = struct.unpack_from(order + "HHI", tiff, entry)
                (tags[tag],) = struct.unpack_from(order + ("I" if kind == _LONG else "H"), tiff, entry + 8)
            (place,) = struct.unpack_from(order + "I", tiff, end)
        except struct.error:
            place = 0
        yield tags
