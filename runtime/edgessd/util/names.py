"""Names that stand in topics, file names and metrics."""

import re

from edgessd.errors import InputError
from edgessd.util.outside_text import NAME, outside_text

_OUTSIDE = re.compile(r"[^\w.-]+")
_HOST = re.compile(r"[\w.:%-]+")


def file_name(text: str) -> str:
    """Return a text from outside as part of a file's name: letters, digits, '_', '-' and '.', at most 100."""
    return _OUTSIDE.sub("_", text)[:100].lstrip(".") or "_"


def host_name(key: str, host: str) -> str:
    """Return a host's name or address as it is. Raises InputError for one that no resolver can be asked for."""
    address = host.rstrip(".")
    fits = 0 < len(address) <= 253 and all(0 < len(part) <= 63 for part in address.split("."))
    if not fits or not _HOST.fullmatch(address):
        shown = outside_text(host, NAME)
        raise InputError(f"{key} must be a host's name or address, of parts of up to 63 letters, got {shown!r}")
    return host


def topic_prefix(prefix: str) -> str:
    """Return the start of an MQTT topic as it is. Raises InputError for one that brokers refuse or nobody expects."""
    fits = 0 < len(prefix.encode(errors="replace")) <= 1000 and not set(prefix) & set("+#\n\r\0")
    if not fits or prefix != prefix.strip("/") or prefix.startswith("$"):
        raise InputError(
            "an MQTT prefix has no '+' or '#', no '$' in front and no '/' at an end, "
            f"got {outside_text(prefix, NAME)!r}",
            fix="name it after its place, such as home/cameras",
        )
    return prefix
