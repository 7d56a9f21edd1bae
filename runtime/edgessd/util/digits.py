"""Whole numbers in texts from outside."""

_LONGEST = 9


def whole_number(text: str) -> int | None:
    """Return the number that a text of one to nine ASCII digits is, None for any other text.

    ``int`` also takes the digits of other scripts, and refuses 4,301 digits by a ValueError of its own.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST else None
