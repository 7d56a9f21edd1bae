"""Timeouts and reconnection delays of a stream."""

import random
from dataclasses import dataclass, fields

from edgessd.errors import InputError

_SHORTEST_SHARE = 0.5


@dataclass(frozen=True)
class Retry:
    """Seconds.

    stale_after: a live stream without a frame for so long is stale. hang_after: opening or reading that takes
    longer is broken off from outside (the sources' own deadlines, 5 s, come first). first_retry doubles up to
    longest_retry; a stream must have lived for longest_retry before it begins at first_retry again.
    lasting_retry: between attempts after a refused password: more of them lock accounts.
    """

    stale_after: float = 2.0
    hang_after: float = 8.0
    first_retry: float = 0.1
    longest_retry: float = 0.75
    lasting_retry: float = 60.0

    def __post_init__(self) -> None:
        """Raise InputError for a time that is not positive."""
        for each in fields(self):
            if not 0 < getattr(self, each.name) <= 86400:
                value = getattr(self, each.name)
                raise InputError(f"{each.name} must be above 0 s and at most a day, got {value}")

    def pause(self, attempt: int) -> float:
        """Return the seconds before the next attempt, with jitter: cameras behind one switch must not return as one."""
        longest = min(self.longest_retry, self.first_retry * 2.0 ** min(attempt, 32))
        return longest * random.uniform(_SHORTEST_SHARE, 1)
