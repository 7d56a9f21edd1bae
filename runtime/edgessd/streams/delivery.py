"""Results on their way to whoever iterates over them."""

import threading
from collections import deque

from edgessd.streams.result import Result


class Delivery:
    """A bounded queue: a slow reader makes the workers wait, and they make their sources wait or drop."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._results: deque[Result] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, result: Result) -> None:
        """Add a result as soon as there is room; after ``close`` it is dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._results) < self._capacity)
            if not self._closed:
                self._results.append(result)
                self._changed.notify_all()

    def get(self, timeout: float) -> Result | None:
        """Return the next result, None when there is none in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._results), timeout):
                return None
            self._changed.notify_all()
            return self._results.popleft()

    def close(self) -> None:
        """Let no one wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
