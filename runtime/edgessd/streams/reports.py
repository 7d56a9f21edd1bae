"""States of streams, told to the log and to the sinks when they change."""

import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any

from edgessd.streams.sink_queue import QueuedSink
from edgessd.streams.status import State, Status

_REMIND_SECONDS = 10.0
log = logging.getLogger(__name__)


class Reports:
    """Remembers what was told of every stream."""

    def __init__(self, sinks: Sequence[QueuedSink]) -> None:
        self._sinks = sinks
        self._told: dict[str, tuple[State, str | None, float]] = {}

    def tell(self, statuses: Sequence[Status]) -> None:
        """Tell of every new state, and of streams that are away every ten seconds."""
        now = monotonic()
        for status in statuses:
            state, reason, told_at = self._told.get(status.name, (None, None, 0.0))
            changed = (status.state, status.reason) != (state, reason)
            away = status.state in (State.STALE, State.FAILED) and not status.over
            if not changed and not (away and now - told_at >= _REMIND_SECONDS):
                continue
            self._told[status.name] = (status.state, status.reason, now)
            if changed and not (status.over and not self._sinks):  # its end is told to whoever iterates
                _log_state(status)
            for sink in self._sinks:
                sink.put(status)

    def forget(self, name: str) -> None:
        """A stream of this name begins anew."""
        self._told.pop(name, None)


def _log_state(status: Status) -> None:
    fine = status.state in (State.LIVE, State.CONNECTING, State.ENDED) and status.reason is None
    facts: dict[str, Any] = {"stream": status.name, "state": str(status.state), "reason": status.reason}
    age = f", last frame {status.last_frame_age:.1f} s ago" if status.last_frame_age and not fine else ""
    text = f": {status.text}" if status.text else ""
    log.log(
        logging.INFO if fine else logging.WARNING, "%s is %s%s%s", status.name, status.state, age, text, extra=facts
    )
