"""Why a source gives no frames, by name."""

import socket

from edgessd.errors import VideoError
from edgessd.util.text_enum import TextEnum


class Reason(TextEnum):
    """Why a source gives no frames; ``str`` is the short name in states, logs and metrics."""

    AUTHENTICATION = "authentication"
    NOT_FOUND = "not found"
    NOT_A_STREAM = "not a stream"
    REFUSED_SETTINGS = "refused settings"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    FROZEN = "frozen"
    CUT_OFF = "cut off"
    ENDED = "ended"
    # Given by the reader of a stream:
    HUNG = "hung"
    NO_FRAMES = "no frames"
    UNUSABLE = "unusable"
    ERROR = "error"
    STOPPED = "stopped"
    NO_DESCRIPTOR = "too many open files"

    @property
    def permanent(self) -> bool:
        """Return whether somebody must probably act.

        All are retried soon, since a server that has just started gives the same answers; only a refused password
        is not: repeated attempts lock accounts.
        """
        return self in (Reason.AUTHENTICATION, Reason.NOT_FOUND, Reason.NOT_A_STREAM, Reason.REFUSED_SETTINGS)


class SourceFault(VideoError):
    """A source that gives no frames."""

    def __init__(self, reason: Reason, cause: str, *, fix: str | None = None, command: str | None = None) -> None:
        super().__init__(cause, fix=fix, command=command)
        self.reason = Reason(reason)


def connection_fault(error: OSError | UnicodeError, name: str, timeout: float) -> SourceFault:
    """Return why a server was not reached."""
    if isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: a part of the name has over 63 letters
        cause, fix = f"no host of the name in {name}", "check its spelling and the network"
        return SourceFault(Reason.UNREACHABLE, cause, fix=fix)
    if isinstance(error, ConnectionRefusedError):
        cause, fix = f"{name} refuses connections", "the server is down, or the port is wrong"
        return SourceFault(Reason.REFUSED, cause, fix=fix)
    if isinstance(error, TimeoutError):
        return SourceFault(Reason.TIMEOUT, f"{name} did not answer within {timeout:g} s", fix="see the camera")
    cause = f"{name} cannot be reached ({error.strerror or 'cut off'})"
    return SourceFault(Reason.UNREACHABLE, cause, fix="see the network")


def status_fault(status: int, name: str) -> SourceFault:
    """Return what a status of HTTP or RTSP, which is not success, means."""
    if status in (401, 403, 407):
        cause, fix = f"{name} refuses the user or the password", "correct them in the URL"
        return SourceFault(Reason.AUTHENTICATION, cause, fix=fix)
    if status in (404, 410, 451, 454):
        return SourceFault(Reason.NOT_FOUND, f"{name} has no such stream", fix="check the URL's path")
    return SourceFault(Reason.REFUSED, f"{name} answers {status}", fix="see the camera")
