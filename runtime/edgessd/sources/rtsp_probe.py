"""An RTSP server is asked before OpenCV opens its stream.

OpenCV opens one stream at a time in the whole process, so a camera that does not answer would keep all others from
coming back; and FFmpeg keeps to itself what a server answers.
"""

import re
import socket
from time import monotonic
from urllib.parse import unquote, urlsplit

from edgessd.sources.address import Address
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.http_auth import authorization

_MAX_ANSWER = 1 << 16


def ask_rtsp(address: Address, timeout: float, method: str) -> None:
    """Ask an RTSP server, by OPTIONS whether it answers, by DESCRIBE for its stream.

    Raises SourceFault with what it answers, or that it does not.
    """
    name = address.name
    try:
        url = urlsplit(address.target)
        host, port = url.hostname or "", url.port or (322 if url.scheme == "rtsps" else 554)
    except ValueError as error:
        fix = "write rtsp://host:port/path, with %40 for an @ in a password"
        raise SourceFault(Reason.NOT_FOUND, f"{name} is no URL", fix=fix) from error
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            if url.scheme == "rtsps":
                return  # FFmpeg asks the rest, encrypted
            deadline = monotonic() + timeout
            status, head = _ask(connection, address.target, method, "", deadline)
            if status == 401 and url.username is not None:
                challenges = re.findall(r"^WWW-Authenticate:\s*(.*)$", head, re.IGNORECASE | re.MULTILINE)
                user, password = unquote(url.username), unquote(url.password or "")
                answer = authorization(challenges, method, _bare(address.target), user, password) or ""
                status, head = _ask(connection, address.target, method, answer, deadline)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError: a part of the name has over 63 letters
        raise SourceFault(
            Reason.UNREACHABLE, f"no host of the name in {name}", fix="check spelling and network"
        ) from error
    except ConnectionRefusedError as error:
        fix = "the server is down, or the port is wrong"
        raise SourceFault(Reason.REFUSED, f"{name} refuses connections", fix=fix) from error
    except TimeoutError as error:
        raise SourceFault(
            Reason.TIMEOUT, f"{name} did not answer within {timeout:g} s", fix="see the camera"
        ) from error
    except OSError as error:
        cause = f"{name} cannot be reached ({error.strerror or 'cut off'})"
        raise SourceFault(Reason.UNREACHABLE, cause, fix="see the network") from error
    match status:
        case 0:
            raise SourceFault(Reason.NOT_A_STREAM, f"{name} does not speak RTSP", fix="check the port and the protocol")
        case 401 | 403:
            cause = f"{name} refuses the user or the password"
            raise SourceFault(Reason.AUTHENTICATION, cause, fix="correct them in the URL")
        case 404 | 451 | 454:
            raise SourceFault(Reason.NOT_FOUND, f"{name} has no such stream", fix="check the URL's path")
        case 453 | 500 | 503:
            raise SourceFault(Reason.REFUSED, f"{name} answers {status}", fix="the server cannot serve it now")


def _ask(connection: socket.socket, target: str, method: str, authorization: str, deadline: float) -> tuple[int, str]:
    """Return the status and the head of the answer; status 0 for what is no RTSP. Raises OSError."""
    lines = [f"{method} {_bare(target)} RTSP/1.0", f"CSeq: {2 if authorization else 1}", "Accept: application/sdp"]
    if authorization:
        lines.append(f"Authorization: {authorization}")
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin1", "replace"))
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _MAX_ANSWER:
        # A server that sends a byte now and then meets no deadline of a single read.
        connection.settimeout(max(0.001, deadline - monotonic()))
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    head = answer.decode("latin1")
    found = re.match(r"RTSP/\d\.\d (\d{3})", head)
    return (int(found[1]) if found else 0), head


def _bare(target: str) -> str:
    """Return the URL without user and password."""
    parts = urlsplit(target)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
