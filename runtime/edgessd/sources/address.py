"""What a source is called by its user, taken apart: kind, target, options, and a name without secrets.

The options of files and devices follow a ``?``. Those of URLs follow a ``#``, since what follows the ``?``
belongs to the camera: ``rtsp://10.0.0.5/live?channel=1#via=ffmpeg``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from edgessd.errors import InputError
from edgessd.util.files import status
from edgessd.util.suggestions import did_you_mean

URL_KINDS = {"rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "stream", "udp": "stream", "srt": "stream", "tcp": "stream"}
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
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
_EMBEDDED_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"!]+")
_PIPELINE_SECRET = re.compile(r"([\w-]*(?:pw|password|token|secret|user-id)\s*=\s*)(\"[^\"]*\"|\S+)", re.IGNORECASE)


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
        if not value.isdecimal() or not 0 < int(value) <= 1 << 16:
            raise InputError(str(self.name), fix=f"{option} must be a whole number from 1 to 65536, got {value!r}")
        return int(value)

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
    """Return what a source's text names. Raises InputError for an unknown scheme or option."""
    if text.startswith("gst:"):
        pipeline = text[4:].strip()
        return Address("gst", pipeline, "gst:" + redact_pipeline(pipeline))
    if (url := _URL.fullmatch(text)) is not None:
        return _parse_url(text, url[1].lower())
    # A file may have a question mark in its name.
    body, _, tail = (text, "", "") if status(Path(text)) else text.partition("?")
    if body in ("-", "stdin"):
        kind, body = "stdin", "-"
    elif body.isdecimal() or re.fullmatch(r"/dev/video\d+", body) or body.startswith("/dev/v4l/"):
        kind = "camera"
    else:
        kind = "path"
    return Address(kind, body, body, _options(kind, tail, body))


def _parse_url(text: str, scheme: str) -> Address:
    if scheme == "csi":
        body, _, tail = text.partition("?")
        sensor = body[len("csi://") :] or "0"
        if not sensor.isdecimal():
            raise InputError(f"a CSI camera is csi://0 or csi://1, got {body}")
        return Address("csi", sensor, body, _options("csi", tail, body))
    if scheme not in URL_KINDS:
        known = did_you_mean(scheme, [*URL_KINDS, "csi"])
        raise InputError(f"unknown kind of source {scheme}://", fix=f"{known}; a pipeline is written gst:...")
    # A password may hold a '#'; options stand after the host.
    at = text.rfind("@") + 1
    body, _, tail = text[at:].partition("#")
    body = text[:at] + body
    name = redact_url(body)
    _check_host(name)
    return Address(URL_KINDS[scheme], body, name, _options(URL_KINDS[scheme], tail, name))


def _check_host(name: str) -> None:
    """Raise InputError for a host or port that no network has. name: the URL without its secrets."""
    try:
        parts = urlsplit(name)
        _ = (parts.hostname or "").encode("idna"), parts.port  # each is a ValueError where it cannot be
    except ValueError as error:
        raise InputError(
            f"{name} has no possible host or port",
            fix="write scheme://host:port/path, a name's parts of 1 to 63 letters",
        ) from error


def _options(kind: str, tail: str, name: str) -> dict[str, str]:
    options = dict(parse_qsl(tail, keep_blank_values=True))
    for option in options:
        if option not in OPTIONS[kind]:
            known = did_you_mean(option, OPTIONS[kind]) if OPTIONS[kind] else "it takes none"
            raise InputError(f"{name} has no option {option!r}", fix=known)
    return options


def redact_url(url: str) -> str:
    """Return a URL without user, password and the values of parameters that may be secret."""
    found = _URL.fullmatch(url)
    if found is None:
        return url
    scheme, rest = found[1], found[2]
    # To the last @: who forgot to encode a password has its '/', '?' or '@' in the way.
    rest = rest.rpartition("@")[2]
    body, question, query = rest.partition("?")
    pieces = re.split("([&;#])", query)
    shown = [piece if piece in ("&", ";", "#", "") else _redact_parameter(piece) for piece in pieces]
    return f"{scheme}://{body}{question}{''.join(shown)}"


def _redact_parameter(piece: str) -> str:
    key, equals, _ = piece.partition("=")
    if not equals:
        return "***"
    return piece if key.lower() in HARMLESS else f"{key}=***"


def redact_pipeline(pipeline: str) -> str:
    """Return GStreamer's pipeline text without passwords."""
    without_urls = _EMBEDDED_URL.sub(lambda found: redact_url(found[0]), pipeline)
    return _PIPELINE_SECRET.sub(r"\1***", without_urls)


def _secrets(target: str) -> set[str]:
    """Return what must not be seen of a URL or pipeline, as written and decoded."""
    found: set[str] = {match[2].strip('"') for match in _PIPELINE_SECRET.finditer(target)}
    for url in [target] if _URL.fullmatch(target) else _EMBEDDED_URL.findall(target):
        rest = url.partition("://")[2]
        userinfo, _, path = rest.rpartition("@")
        if userinfo:
            found |= {userinfo, userinfo.partition(":")[2]}
        for key, value in parse_qsl(path.partition("?")[2], keep_blank_values=True):
            if key.lower() not in HARMLESS:
                found.add(value or key)
    return {secret for text in found for secret in (text, unquote(text)) if len(secret) > 2}
