"""Text from outside (file names, labels, answers of servers) as one line that a terminal only shows."""

import unicodedata

# Control characters, format characters (bidi overrides among them), lone surrogates, line and paragraph separators.
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Format characters that words of Persian and of Indian languages, and many emoji, are written with.
_JOINERS = frozenset("\u200c\u200d")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# What a spreadsheet takes for the start of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

LINE = 2000
NAME = 200


def outside_text(text: object, limit: int = LINE) -> str:
    r"""Return ``str(text)`` on one line of at most ``limit`` characters, what a terminal would act on escaped.

    A newline becomes ``\n``, an escape ``\x1b``, a bidi override ``\u202e``; a byte of a name that is not UTF-8
    becomes ``\xff``. The middle of a text that is too long is left out.
    """
    raw = str(text)
    if len(raw) > limit:
        raw = f"{raw[: limit - limit // 3 - 3]}...{raw[len(raw) - limit // 3 :]}"
    if raw.isascii() and raw.isprintable():
        return raw
    return _cut("".join(map(_shown, raw)), limit)


def quoted(word: str) -> str:
    """Return a word of a configuration in quotes, or what stands for one that may be an address with a password."""
    if any(mark in word for mark in "@:=${"):
        return "a text that is not shown"
    return f"'{outside_text(word, NAME)}'"


def spreadsheet_cell(text: str) -> str:
    """Return a text that a spreadsheet shows and does not compute: an apostrophe stands before ``= + - @``."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWABLE or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that the file system's encoding could not read (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
