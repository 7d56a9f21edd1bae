"""An RTSP server is asked before OpenCV opens its stream.

OpenCV opens one stream at a time in the whole process, so a camera that does not answer would keep all others from
coming back; and FFmpeg keeps to itself what a server answers.
"""

import re
import socket
from time import monotonic
from urllib.parse import urlsplit

from edgessd.sources.address import PORTS, Address, without_credentials
from edgessd.sources.fault import Reason, SourceFault, connection_fault, status_fault
from edgessd.sources.http_auth import authorization

_MAX_ANSWER = 1 << 16
_REFUSALS = frozenset({401, 403, 404, 451, 453, 454, 500, 503})  # another status is FFmpeg's to judge


def ask_rtsp(address: Address, timeout: float, method: str) -> None:
    """Ask an RTSP server, by OPTIONS whether it answers, by DESCRIBE for its stream.

    Raises SourceFault with what it answers, or that it does not.
    """
    name = address.name
    url = urlsplit(address.target)
    bare, user, password = without_credentials(address.target)
    try:
        with socket.create_connection((url.hostname, url.port or PORTS[url.scheme]), timeout=timeout) as connection:
            if url.scheme == "rtsps":
                return  # FFmpeg asks the rest, encrypted
            deadline = monotonic() + timeout
            status, head = _ask(connection, bare, method, "", deadline)
            if status == 401 and user:
                challenges = re.findall(r"^WWW-Authenticate:\s*(.*)$", head, re.IGNORECASE | re.MULTILINE)
                answer = authorization(challenges, method, bare, user, password) or ""
                status, head = _ask(connection, bare, method, answer, deadline)
    except (OSError, UnicodeError) as error:
        raise connection_fault(error, name, timeout) from error
    if status == 0:
        raise SourceFault(Reason.NOT_A_STREAM, f"{name} does not speak RTSP", fix="check the port and the protocol")
    if status in _REFUSALS:
        raise status_fault(status, name)


def _ask(connection: socket.socket, url: str, method: str, authorization: str, deadline: float) -> tuple[int, str]:
    """Return the status and the head of the answer; status 0 for what is no RTSP. Raises OSError."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {2 if authorization else 1}", "Accept: application/sdp"]
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
