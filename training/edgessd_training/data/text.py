"""Text of annotation files, whatever editor wrote it; a byte is never replaced in silence."""

import codecs
import json

from edgessd.errors import DataError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which begins it
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(content: bytes, name: str, declared: str | None = None) -> str:
    """Return a file's text without its byte order mark; name stands in errors.

    declared: the encoding that the file itself names, UTF-8 where None. A mark outweighs it. Raises DataError.
    """
    encoding = declared or "utf-8"
    for mark, marked in _MARKS:
        if content.startswith(mark):
            content, encoding = content[len(mark) :], marked
            break
    try:
        return content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        said = f"declares the encoding {declared[:40]!r} and" if declared else "declares no encoding and"
        raise DataError(f"{name} {said} is not text in {encoding[:40]}", fix="save it as UTF-8") from error


def to_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON that UTF-8 can hold: a file's name may have bytes that are none of it."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text
