"""Enums of words."""

from enum import Enum


class TextEnum(str, Enum):
    """An enum whose text is its value, as Python 3.11's ``StrEnum``."""

    __str__ = str.__str__
