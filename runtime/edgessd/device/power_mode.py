"""A Jetson's power mode: the one it is in, and the fastest it has."""

import re
from dataclasses import dataclass

from edgessd.device.text_tree import Tree

STATUS, CATALOGUE = "var/lib/nvpmodel/status", "etc/nvpmodel.conf"


@dataclass(frozen=True)
class PowerMode:
    """A mode by nvpmodel's number and name; either may be untold."""

    number: int | None
    name: str | None


def power_mode(tree: Tree, answer: str | None = None) -> PowerMode | None:
    """Return the mode that the board is in, None where nothing tells it.

    answer: what ``nvpmodel -q`` printed; else what nvpmodel keeps in its files counts.
    """
    told = re.search(r"NV Power Mode:\s*(\S+)(?:\s+(\d+))?", answer or "")
    if told:
        return PowerMode(None if told[2] is None else int(told[2]), told[1])
    status = tree.text(STATUS) or ""
    names = modes(tree)
    number = _number(r"pmode:0*(\d+)", status)
    if number is None:
        number = _number(r"<\s*PM_CONFIG\s+DEFAULT=(\d+)", tree.text(CATALOGUE) or "")
    return None if number is None else PowerMode(number, names.get(number))


def modes(tree: Tree) -> dict[int, str]:
    """Return the names of the board's modes by their numbers."""
    text = tree.text(CATALOGUE) or ""
    found = re.findall(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", text, re.MULTILINE)
    return {int(number): name for number, name in found}


def fastest(known: dict[int, str]) -> PowerMode | None:
    """Return the mode without limits (MAXN, MAXN_SUPER), else the one of the most watts; None where none is known.

    Its number is not always 0: Orin Nano's MAXN_SUPER is 2, and its 0 is 15 W.
    """
    if not known:
        return None
    number = max(known, key=lambda each: (_rank(known[each]), -each))
    return PowerMode(number, known[number])


def _rank(name: str) -> tuple[bool, bool, int]:
    watts = re.search(r"(\d+)W", name)
    return name.startswith("MAXN"), name == "MAXN_SUPER", int(watts[1]) if watts else 0


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
