"""Where a webhook posts to: its URL taken apart by the library's parser, its headers checked, nothing secret shown."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from edgessd.errors import InputError
from edgessd.util.names import is_host

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # what RFC 9110 calls one
_HALF_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class WebhookAddress:
    """url: without user and password, which are in the headers. name: scheme and host; a path may be a secret."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    name: str

    def follows(self, target: str) -> bool:
        """Return whether a redirect stays with the host that the secrets were meant for, no less encrypted."""
        here, there = _split(self.url), _split(target)
        if here is None or there is None or here.hostname != there.hostname:
            return False
        same = (here.scheme, here.port) == (there.scheme, there.port)
        return same or (here.scheme, there.scheme, here.port, there.port) == ("http", "https", None, None)


def webhook_address(url: str, headers: Mapping[str, str]) -> WebhookAddress:
    """Return where to post and with which headers. Raises InputError, never with what it was given."""
    parts = _split(url)
    if parts is None or not is_host(parts.hostname or ""):
        raise InputError(
            "a webhook's url is http:// or https://, a host of parts of up to 63 letters and a path, "
            "without spaces and letters beyond ASCII",
            fix="correct it; write an @ of a password as %40",
        )
    if _HALF_ESCAPE.search(parts.netloc):
        raise InputError(
            "a webhook's user or password holds a % that begins no escape",
            fix="write it as %25, or give the header Authorization in headers",
        )
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise InputError("a webhook's header has a name that is none", fix="letters, digits and '-', such as X-Key")
        if not all(" " <= letter <= "ÿ" and letter != "\x7f" for letter in value):
            raise InputError(
                f"the value of a webhook's header {name} holds a line break or another character that none may hold",
                fix="take it out, also at the end of the environment's variable",
            )
    where = parts.netloc.rpartition("@")[2]
    sent = {"Content-Type": "application/json", **headers}
    if "@" in parts.netloc and not any(name.lower() == "authorization" for name in headers):
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        sent["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    bare = urlunsplit((parts.scheme, where, parts.path or "/", parts.query, ""))
    return WebhookAddress(bare, sent, f"{parts.scheme}://{where}")


def _split(url: str) -> SplitResult | None:
    """Return a URL's parts, None for what is none. An @ may stand in its path and query, not unescaped in a password.

    A fragment cannot stand before an @ either: parsers disagree on whose host that is.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    fits = parts.scheme in ("http", "https") and parts.netloc.count("@") <= 1 and "@" not in parts.fragment
    return parts if fits else None
