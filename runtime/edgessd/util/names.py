"""Names that stand in topics, file names and metrics."""

import re

from edgessd.errors import InputError
from edgessd.util.outside_text import quoted

_OUTSIDE = re.compile(r"[^\w.-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LONGEST = 100
_HOST = re.compile(r"[\w.:%-]+")


def file_name(text: str) -> str:
    """Return a text from outside as part of a file's name: letters, digits, '_', '-' and '.', at most 100."""
    return _OUTSIDE.sub("_", text)[:100].lstrip(".") or "_"


def is_host(name: str) -> bool:
    """Return whether a resolver can be asked for a host's name or address."""
    bare = name.rstrip(".")
    if bare.count(":") == 1:  # HOST:PORT; an IPv6 address has more of them
        return False
    return 0 < len(bare) <= 253 and bool(_HOST.fullmatch(bare)) and all(0 < len(part) <= 63 for part in bare.split("."))


def topic_prefix(prefix: str) -> str:
    """Return the start of an MQTT topic as it is. Raises InputError for one that brokers refuse or nobody expects."""
    # Brokers cut the connection of a client that sends a control character in a topic.
    fits = 0 < len(prefix.encode(errors="replace")) <= 1000 and not set(prefix) & set("+#") and prefix.isprintable()
    if not fits or prefix != prefix.strip("/") or prefix.startswith("$"):
        raise InputError(
            f"an MQTT prefix has no '+', '#', control character, '$' in front, no '/' at an end, got {quoted(prefix)}",
            fix="name it after its place, such as home/cameras",
        )
    return prefix


def check_name(name: str, owner: str) -> None:
    """Raise InputError for a name that cannot be a topic, a file name and a metric's label. owner: "a stream"."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InputError(
            f"{owner}'s name has at most {_LONGEST} letters, digits, '_', '-' and '.', got {quoted(name)}",
            fix="rename it",
        )
