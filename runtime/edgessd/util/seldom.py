"""What may happen often is told seldom."""

from threading import Lock
from time import monotonic

SECONDS = 60.0


class Seldom:
    """True at the first call, then at most once in ``seconds``; any thread may call it."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._lock = Lock()

    def __call__(self) -> bool:
        now = monotonic()
        with self._lock:
            due = now >= self._next
            if due:
                self._next = now + self._seconds
        return due
