"""Why a source gives no frames, by name."""

from enum import Enum

from edgessd.errors import VideoError


class Reason(str, Enum):
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

    __str__ = str.__str__

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
