"""The answer to a server's challenge, for HTTP and RTSP: Digest by SHA-256 or MD5 (RFC 7616), else Basic (RFC 7617)."""

import hashlib
import re
import secrets
from base64 import b64encode
from collections.abc import Sequence

_CHALLENGE = re.compile(r'\b(Digest|Basic)\s+((?:\w+\s*=\s*(?:"[^"]*"|[^\s",]+)\s*,?\s*)*)', re.IGNORECASE)
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}  # the strongest first
_MOST = 1 << 13  # characters of a challenge that are read


def authorization(challenges: Sequence[str], method: str, uri: str, user: str, password: str) -> str | None:
    """Return the value of the header ``Authorization``, None where no challenge can be answered.

    challenges: the values of all headers ``WWW-Authenticate``; a server may offer several schemes in one or in many.
    """
    offered = [
        (found[1].lower(), {key.lower(): quoted or bare for key, quoted, bare in _FIELD.findall(found[2])})
        for challenge in challenges
        for found in _CHALLENGE.finditer(challenge[:_MOST])
    ]
    for name in _HASHES:
        for scheme, fields in offered:
            if scheme == "digest" and fields.get("algorithm", "MD5").upper() == name:
                return _digest(fields, name, method, uri, user, password)
    if any(scheme == "basic" for scheme, _ in offered):
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    return None


def _digest(fields: dict[str, str], name: str, method: str, uri: str, user: str, password: str) -> str:
    def hashed(text: str) -> str:
        return _HASHES[name](text.encode()).hexdigest()

    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    secret, request = hashed(f"{user}:{realm}:{password}"), hashed(f"{method}:{uri}")
    parts = {"username": user, "realm": realm, "nonce": nonce, "uri": uri}
    extra = f", algorithm={name}" if "algorithm" in fields else ""
    if "auth" in re.split(r"[,\s]+", fields.get("qop", "")):
        ours, count = secrets.token_hex(8), "00000001"
        parts["response"] = hashed(f"{secret}:{nonce}:{count}:{ours}:auth:{request}")
        extra += f', qop=auth, nc={count}, cnonce="{ours}"'
    else:
        parts["response"] = hashed(f"{secret}:{nonce}:{request}")
    if "opaque" in fields:
        parts["opaque"] = fields["opaque"]
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in parts.items()) + extra
