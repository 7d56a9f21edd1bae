"""Where a model is served: ``triton://HOST[:PORT]/MODEL``."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgessd.errors import InputError
from edgessd.util.names import is_host

PORT = 8000  # of Triton's HTTP service
SCHEMES = {"triton": False, "triton+https": True}
FORM = "write triton://HOST[:PORT]/MODEL, or triton+https:// through a proxy with TLS"
_URL = re.compile(r"(triton[a-z+]*):/", re.IGNORECASE)
_MODEL = re.compile(r"[\w.-]{1,255}", re.ASCII)


@dataclass(frozen=True)
class TritonAddress:
    """host: a name or an address. name: the model's. ``str`` is the URL."""

    host: str
    port: int
    name: str
    tls: bool = False

    def __str__(self) -> str:
        scheme = "triton+https" if self.tls else "triton"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.name}"


Place = Path | TritonAddress  # of a model: a file, or a server


def triton_address(model: str | Path) -> TritonAddress | None:
    """Return the address of a served model, None for a file or a name. Raises InputError for half an address."""
    found = _URL.match(model) if isinstance(model, str) else None
    if found is None:
        return None
    scheme = found[1].lower()
    if scheme == "triton+grpc":
        raise InputError("edgessd speaks HTTP to Triton, not gRPC", fix=FORM)
    if scheme not in SCHEMES:
        raise InputError(f"there is no scheme {scheme[:20]}://", fix=FORM)
    try:
        parts = urlsplit(str(model))
        port = parts.port
    except ValueError:
        raise InputError("the address of a served model has no possible host or port", fix=FORM) from None
    name = parts.path.removeprefix("/")
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError("the address of a served model takes no user, query or fragment", fix=FORM)
    if not parts.hostname or not is_host(parts.hostname):
        raise InputError("the address of a served model names no host", fix=FORM)
    if not _MODEL.fullmatch(name):
        raise InputError("the address of a served model ends in the name of one model", fix=FORM)
    tls = SCHEMES[scheme]
    return TritonAddress(parts.hostname, port or (443 if tls else PORT), name, tls)
