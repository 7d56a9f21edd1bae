"""What a source is called by its user, taken apart: kind, target, options, and a name without secrets.

The options of files and devices follow a ``?``. Those of URLs follow a ``#``, since what follows the ``?``
belongs to the camera: ``rtsp://10.0.0.5/live?channel=1#via=ffmpeg``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from edgessd.errors import InputError
from edgessd.util.digits import whole_number
from edgessd.util.names import is_host
from edgessd.util.outside_text import quoted
from edgessd.util.suggestions import did_you_mean

URL_KINDS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "stream", "udp": "stream", "srt": "stream", "tcp": "stream"}
PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
URL_KINDS |= {"http": "http", "https": "http"}
DEVICE_OPTIONS = ("width", "height", "fps", "fourcc")
OPTIONS: dict[str, tuple[str, ...]] = {
    "path": ("loop", "pace"),
    "camera": DEVICE_OPTIONS,
    "csi": ("width", "height", "fps", "flip"),
    "stdin": ("format", "width", "height", "fps"),
    "gst": (),
    **dict.fromkeys(("rtsp", "http", "stream"), ("via", "hwaccel", "transport", "open_timeout", "read_timeout")),
}
# Parameters of a camera's URL that are worth reading in a log. Any other value may be a key or a password.
HARMLESS = ("channel", "subtype", "stream", "profile", "camera", "resolution", "width", "height", "fps", "unicast")
_WORD = re.compile(r"[\w.%-]{1,40}")  # what is longer or holds more may be a second URL with its password
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
# Bounded, and it begins at a word: unbounded it is quadratic in a long text without a URL.
_EMBEDDED_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,15}://[^\s\"]+")
_LIKE_A_URL = re.compile(r"://|^\s*[a-z][a-z0-9+.-]{1,15}:/|@|(password|passwd|pwd|token)=", re.IGNORECASE)
_PIPELINE_SECRET = re.compile(
    r"([\w-]{0,40}(?:pw|password|passphrase|token|secret|key|user-id|streamid|headers|cookies)\s*=\s*)"
    r"(\"[^\"]*\"|'[^']*'|\S+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """kind: a key of OPTIONS. target: what is opened, with its password. name: the same without secrets."""

    kind: str
    target: str = field(repr=False)
    name: str
    options: Mapping[str, str] = field(default_factory=dict)

    def redact(self, text: str) -> str:
        """Return a text of another program with this address's secrets taken out."""
        cleaned = text if self.kind == "gst" else text.replace(self.target, self.name)
        for secret in sorted(_secrets(self.target), key=len, reverse=True):
            cleaned = cleaned.replace(secret, "***")
        return _EMBEDDED_URL.sub(lambda found: redact_url(found[0]), cleaned)

    def number(self, option: str) -> int | None:
        """Return an option as a whole number, None where it is not given. Raises InputError."""
        value = self.options.get(option)
        if value is None:
            return None
        number = whole_number(value)
        if number is None or not 0 < number <= 1 << 16:
            raise InputError(str(self.name), fix=f"{option} must be a whole number from 1 to 65536, got {value!r}")
        return number

    def seconds(self, option: str) -> float | None:
        """Return an option as a positive number, None where it is not given. Raises InputError."""
        value = self.options.get(option)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number <= 3600:
            raise InputError(str(self.name), fix=f"{option} must be a number above 0, at most 3600, got {value!r}")
        return number


def parse_address(text: str) -> Address:
    """Return what a source's text names.

    Raises InputError; what does not parse is not shown, since it may hold a password.
    """
    if not text.strip():  # an unset variable; as a path it would be the working folder
        raise InputError("a source has an empty name", fix="check the variable that it comes from")
    if text.startswith("gst:"):
        pipeline = text[4:].strip()
        return Address("gst", pipeline, "gst:" + redact_pipeline(pipeline))
    exists = _exists(text)
    if not exists and any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise InputError("an address has no control characters", fix="remove line ends and tabs")
    if not exists and (url := _URL.fullmatch(text)) is not None:
        return _parse_url(text, url[1].lower())
    # A file may have a question mark in its name.
    body, _, tail = (text, "", "") if exists else text.partition("?")
    if body in ("-", "stdin"):
        kind, body = "stdin", "-"
    elif whole_number(body) is not None or re.fullmatch(r"/dev/video[0-9]+", body) or body.startswith("/dev/v4l/"):
        kind = "camera"
    elif not exists and not _exists(body) and (_LIKE_A_URL.search(text) or _unknown_option("path", tail)):
        raise InputError(
            "there is no such file, and it is no URL",
            fix="a URL has no spaces before it, a scheme and two slashes: rtsp://USER:PASSWORD@HOST/PATH",
        )
    else:
        kind = "path"
    return Address(kind, body, body, _options(kind, tail, body))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # longer than a name may be, or with a zero byte
        return False


def _parse_url(text: str, scheme: str) -> Address:
    if scheme == "csi":
        body, _, tail = text.partition("?")
        sensor = body[len("csi://") :] or "0"
        if whole_number(sensor) is None:
            raise InputError(f"a CSI camera is csi://0 or csi://1, got {quoted(sensor)}")
        return Address("csi", sensor, body, _options("csi", tail, body))
    if scheme not in URL_KINDS:
        known = did_you_mean(scheme, [*URL_KINDS, "csi"])
        raise InputError(f"unknown kind of source {scheme[:20]}://", fix=f"{known}; a pipeline is written gst:...")
    parts = split_url(text)
    body = parts._replace(fragment="").geturl()
    name = redact_url(body)
    return Address(URL_KINDS[scheme], body, name, _options(URL_KINDS[scheme], parts.fragment, name))


def split_url(text: str) -> SplitResult:
    """Return the parts of a URL. Raises InputError for one that means two things or none, without showing it."""
    encode = "write / as %2F, ? as %3F, # as %23 and @ as %40 in a password"
    try:
        parts = urlsplit(text)
        _ = (parts.hostname or "").encode("idna"), parts.port  # each is a ValueError where it cannot be
    except ValueError:
        raise InputError(
            "a URL is SCHEME://USER:PASSWORD@HOST:PORT/PATH, this one has no possible host or port",
            fix=f"{encode}; the parts of a host's name have 1 to 63 letters",
        ) from None
    if parts.hostname and not is_host(parts.hostname):
        raise InputError("a URL names a host after its two slashes, this one has no name of a host there", fix=encode)
    if not parts.hostname and URL_KINDS.get(parts.scheme) != "stream":  # udp://:1234 listens
        raise InputError("a URL names a host after its two slashes, this one has none", fix=encode)
    if "@" in parts.path or "@" in parts.fragment:
        raise InputError("a URL has an @ before its host alone, this one has another in its path", fix=encode)
    return parts


def without_credentials(url: str) -> tuple[str, str, str]:
    """Return a URL without its credentials, the user and the password, decoded. Raises InputError as ``split_url``."""
    parts = split_url(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    return bare, unquote(parts.username or ""), unquote(parts.password or "")


def _options(kind: str, tail: str, name: str) -> dict[str, str]:
    if unknown := _unknown_option(kind, tail):
        if unknown in OPTIONS[kind]:
            raise InputError(f"{name}: the option {unknown} has no value", fix=f"write {unknown}=VALUE")
        shown = repr(unknown) if _WORD.fullmatch(unknown) and f"{unknown}=" in tail else "of that name"
        known = did_you_mean(unknown, OPTIONS[kind]) if OPTIONS[kind] else "it takes none"
        raise InputError(f"{name} has no option {shown}", fix=known)
    return dict(parse_qsl(tail, keep_blank_values=True))


def _unknown_option(kind: str, tail: str) -> str | None:
    """Return the first option that a kind of source does not take; what is no KEY=VALUE is one, too."""
    found = (piece.partition("=") for piece in tail.split("&") if piece)
    return next((key or equals for key, equals, _ in found if not equals or unquote(key) not in OPTIONS[kind]), None)


def redact_url(url: str) -> str:
    """Return a URL without user, password and the values of parameters that may be secret, in query and path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0][:20]}://***"
    # In the path, too: /user=admin&password=... is how one maker's cameras are asked.
    path = "".join(piece if "=" not in piece else _redact_parameter(piece) for piece in re.split("([/&;])", parts.path))
    if "@" in path:  # who forgot to encode a password has its end in the path
        path = "/***"
    pieces = re.split("([&;])", parts.query)
    query = "".join(piece if piece in ("&", ";", "") else _redact_parameter(piece) for piece in pieces)
    fragment = "***" if "@" in parts.fragment else parts.fragment
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, query=query, fragment=fragment).geturl()


def _redact_parameter(piece: str) -> str:
    key, equals, value = piece.partition("=")
    if not equals or not _WORD.fullmatch(key):
        return "***"
    return piece if key.lower() in HARMLESS and _WORD.fullmatch(value) else f"{key}=***"


def redact_pipeline(pipeline: str) -> str:
    """Return GStreamer's pipeline text without passwords."""
    without_urls = _EMBEDDED_URL.sub(lambda found: redact_url(found[0]), pipeline)
    return _PIPELINE_SECRET.sub(r"\1***", without_urls)


def _secrets(target: str) -> set[str]:
    """Return what must not be seen of a URL or pipeline, as written and decoded."""
    found: set[str] = {match[2].strip("\"'") for match in _PIPELINE_SECRET.finditer(target)}
    for url in [target] if _URL.fullmatch(target) else _EMBEDDED_URL.findall(target):
        rest = url.partition("://")[2]
        userinfo = rest[: rest.find("/")].rpartition("@")[0] if "/" in rest else rest.rpartition("@")[0]
        if userinfo:
            found |= {userinfo, userinfo.partition(":")[2]}
        for piece in re.split("[/?&;#]", rest):
            key, equals, value = piece.partition("=")
            if equals and key.lower() not in HARMLESS:
                found.add(value)
        for piece in re.split("[&;]", rest.partition("?")[2]):
            if piece and "=" not in piece:
                found.add(piece)
    return {secret for text in found for secret in (text, unquote(text)) if len(secret) > 2}
