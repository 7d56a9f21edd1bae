"""Whether this process itself was stopped (SIGSTOP, a suspended board): then no camera is to blame."""

from time import monotonic

_PAUSE_SECONDS = 2.0  # between two looks, which come ten times a second
_AFTER_SECONDS = 1.0


class Pauses:
    """Knows from the times of its looks when nobody looked. Everything is in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.continued_at = 0.0
        self._looked_at: float | None = None

    def look(self) -> float:
        """Return how long the process was stopped since the last look, 0 when it was not. To be called often."""
        now = monotonic()
        passed = now - (self._looked_at or now)
        self._looked_at = now
        if passed <= _PAUSE_SECONDS:
            return 0.0
        self.continued_at = now
        return passed

    @property
    def recent(self) -> bool:
        """Return whether the process has just been stopped, also before the first look after it."""
        now = monotonic()
        return now - self.continued_at < _AFTER_SECONDS or now - (self._looked_at or now) > _PAUSE_SECONDS
