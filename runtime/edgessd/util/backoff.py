"""The pause before the next attempt at something that comes back by itself."""

import random

FIRST_SECONDS, LONGEST_SECONDS = 0.1, 0.75
_SHORTEST_SHARE = 0.5


def backoff(attempt: int, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> float:
    """Return the seconds before the next attempt, with jitter: what failed together must not return as one.

    attempt: 0 for the first. first doubles up to longest.
    """
    return min(longest, first * 2.0 ** min(attempt, 32)) * random.uniform(_SHORTEST_SHARE, 1)
