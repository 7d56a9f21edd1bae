"""Why an RTSP server gives no stream: it is asked once, since FFmpeg keeps its answer to itself."""

import hashlib
import re
import socket
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from edgessd.sources.address import Address
from edgessd.sources.faults import SourceFault

_MAX_ANSWER = 1 << 16


def why_rtsp_fails(address: Address, timeout: float) -> SourceFault:
    """Return the fault that the server's answer to DESCRIBE tells."""
    name = address.name
    try:
        url = urlsplit(address.target)
        host, port = url.hostname or "", url.port or (322 if url.scheme == "rtsps" else 554)
    except ValueError:
        return SourceFault(
            "not found", f"{name} is no URL: write rtsp://host:port/path, with %40 for an @ in a password"
        )
    if url.scheme == "rtsps":
        return SourceFault("not a stream", f"{name} could not be opened: check host, path, user and password")
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            status, head = _describe(connection, address.target, "")
            if status == 401 and url.username is not None:
                answer = authorisation(head, "DESCRIBE", _bare(address.target), *_credentials(address.target))
                status, head = _describe(connection, address.target, answer)
    except socket.gaierror:
        return SourceFault("unreachable", f"no host of the name in {name}: check its spelling and the network")
    except ConnectionRefusedError:
        return SourceFault("refused", f"{name} refuses connections: the server is down, or the port is wrong")
    except TimeoutError:
        return SourceFault("timeout", f"{name} did not answer within {timeout:g} s: see the camera")
    except OSError as error:
        return SourceFault("unreachable", f"{name} cannot be reached ({error.strerror or 'cut off'}): see the network")
    return _fault_of(status, name)


def _fault_of(status: int, name: str) -> SourceFault:
    match status:
        case 401 | 403:
            return SourceFault("authentication", f"{name} refuses the user or the password: correct them in the URL")
        case 404 | 451 | 454:
            return SourceFault("not found", f"{name} has no such stream: check the URL's path")
        case 503 | 500 | 453:
            return SourceFault("refused", f"{name} answers {status}: the server cannot serve it now")
        case 200:
            return SourceFault("not a stream", f"{name} answers, but with nothing that FFmpeg decodes: check the codec")
        case _:
            return SourceFault("not a stream", f"{name} does not speak RTSP: check the port and the protocol")


def _describe(connection: socket.socket, target: str, authorization: str) -> tuple[int, str]:
    """Return the status and the head of the answer; status 0 for what is no RTSP."""
    lines = [f"DESCRIBE {_bare(target)} RTSP/1.0", f"CSeq: {2 if authorization else 1}", "Accept: application/sdp"]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin1", "replace"))
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _MAX_ANSWER:
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    head = answer.decode("latin1")
    found = re.match(r"RTSP/\d\.\d (\d{3})", head)
    return (int(found[1]) if found else 0), head


def _bare(target: str) -> str:
    """Return the URL without user and password."""
    scheme, _, rest = target.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _credentials(target: str) -> tuple[str, str]:
    userinfo = target.partition("://")[2].rpartition("@")[0]
    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)


def authorisation(head: str, method: str, url: str, user: str, password: str) -> str:
    """Return the header that answers a server's challenge, Digest (RFC 2617) or Basic."""
    challenge = re.search(r"^WWW-Authenticate:\s*Digest\s+(.*)$", head, re.IGNORECASE | re.MULTILINE)
    if challenge is None:
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge[1]))
    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    secret, request = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{url}")
    response = _md5(f"{secret}:{nonce}:{request}")
    return f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{url}", response="{response}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
