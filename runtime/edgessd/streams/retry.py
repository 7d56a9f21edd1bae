"""Timeouts of a stream, and the rule by which it is connected again."""

from dataclasses import dataclass, fields

from edgessd.errors import InputError
from edgessd.sources.fault import Reason, SourceFault
from edgessd.util.backoff import FIRST_SECONDS, LONGEST_SECONDS, backoff


@dataclass(frozen=True)
class Retry:
    """Times of one stream.

    stale_after: seconds without a frame after which a live stream is stale. hang_after: seconds after which opening or
    reading is interrupted; the sources' own deadlines, 5 s, come first. first_retry: seconds before a reconnection,
    which double with each attempt. longest_retry: up to this; after a connection that gave frames and lasted so long
    they begin anew. lasting_retry: seconds before a reconnection after a refused password: wrong ones lock accounts.
    """

    stale_after: float = 2.0
    hang_after: float = 8.0
    first_retry: float = FIRST_SECONDS
    longest_retry: float = LONGEST_SECONDS
    lasting_retry: float = 60.0

    def __post_init__(self) -> None:
        """Raise InputError for a time that is not positive."""
        for each in fields(Retry):
            if not 0 < (value := getattr(self, each.name)) <= 86400:
                raise InputError(f"{each.name} must be above 0 s and at most a day, got {value}")

    def pause(self, attempt: int) -> float:
        """Return the seconds before the next attempt, with jitter: cameras behind one switch must not return as one."""
        return backoff(attempt, self.first_retry, self.longest_retry)


class Reconnection:
    """The pauses between the attempts to connect one stream."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._attempt = 0  # since a connection last lived

    def pause(self, fault: SourceFault | None, *, lived: float) -> float:
        """Return the seconds before the next attempt.

        fault: what ended the last one. lived: seconds from its beginning to its end, 0 where it gave no frame: opening
        counts, since what took so long hammers no camera.
        """
        if fault is not None and fault.reason is Reason.AUTHENTICATION:
            return self._retry.lasting_retry
        if lived >= self._retry.longest_retry:
            self._attempt = 0
        self._attempt += 1
        return self._retry.pause(self._attempt - 1)
