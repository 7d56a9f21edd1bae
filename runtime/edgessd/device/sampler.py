"""A board watched while something runs: means and extremes, kept in constant memory."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgessd.device import ROOT, Snapshot, read_board

INTERVAL = 1.0


@dataclass
class Running:
    """The mean and the extremes of the values seen so far."""

    count: int = 0
    mean: float = 0.0
    lowest: float = float("inf")
    highest: float = float("-inf")

    def add(self, value: float) -> None:
        """Take one more."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        self.lowest = min(self.lowest, value)
        self.highest = max(self.highest, value)


@dataclass
class _Seen:
    """What a run's snapshots came to."""

    first: Snapshot
    last: Snapshot
    power: Running = field(default_factory=Running)
    rails: dict[str, Running] = field(default_factory=dict)
    temperatures: dict[str, Running] = field(default_factory=dict)
    clocks: dict[str, Running] = field(default_factory=dict)
    throttling: set[str] = field(default_factory=set)

    def add(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        self.throttling |= set(snapshot.throttling)
        if snapshot.power:
            self.power.add(snapshot.power[0])
        now = {name: clock.now for name, clock in snapshot.clocks.items() if clock.now is not None}
        for kept, values in (
            (self.rails, snapshot.rails),
            (self.temperatures, snapshot.temperatures),
            (self.clocks, now),
        ):
            for name, value in values.items():
                kept.setdefault(name, Running()).add(value)

    def events(self) -> dict[str, int]:
        """Return the over-current events of this run alone."""
        before, after = self.first.over_current, self.last.over_current
        return {name: after[name] - before[name] for name in before if name in after}


class Sampler:
    """Reads the board once a second inside a with-block; where it tells nothing, no thread is started."""

    def __init__(self, root: Path = ROOT, interval: float = INTERVAL) -> None:
        self._root = root
        self._interval = interval
        self._lock = threading.Lock()
        self._stop = threading.Event()
        first = read_board(root)
        self._tells = bool(first.as_json().keys() - {"not_readable"})
        self._seen = _Seen(first, first)
        self._thread = threading.Thread(target=self._watch, name="board", daemon=True)

    def __enter__(self) -> "Sampler":
        if self._tells:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._tells:
            self._thread.join()

    def restart(self) -> None:
        """Forget what was seen: the measurement begins now."""
        if self._tells:
            snapshot = read_board(self._root)
            with self._lock:
                self._seen = _Seen(snapshot, snapshot)
                self._seen.add(snapshot)

    def summary(self) -> dict[str, Any]:
        """Return what was seen since the start, this moment included; empty where the board tells nothing.

        ``throttled`` says whether an alert or an over-current event slowed it down; it has no key without such
        sensors.
        """
        if not self._tells:
            return {}
        snapshot = read_board(self._root)
        with self._lock:
            self._seen.add(snapshot)
            return as_json(self._seen)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            snapshot = read_board(self._root)
            with self._lock:
                self._seen.add(snapshot)


def as_json(seen: _Seen) -> dict[str, Any]:
    """Return a run's figures; what the board does not tell has no key."""
    last, events = seen.last, seen.events()
    values: dict[str, Any] = {
        "power_w": _spread(seen.power) if seen.power.count else None,
        "power_of": last.power[1] if last.power else None,
        "rails_w": {name: round(value.mean, 3) for name, value in seen.rails.items()},
        "temperatures_c": {name: round(value.highest, 1) for name, value in seen.temperatures.items()},
        "clocks_mhz": {
            name: _spread(value) | _bounds(last.clocks[name].highest, last.clocks[name].hardware)
            for name, value in seen.clocks.items()
            if name in last.clocks
        },
        "throttled_by": sorted(seen.throttling),
        "over_current_events": events,
        "not_readable": list(last.denied),
    }
    values = {key: value for key, value in values.items() if value not in (None, {}, [])}
    if last.alerts or last.over_current:
        values["throttled"] = bool(seen.throttling or any(count > 0 for count in events.values()))
    return values


def _spread(value: Running) -> dict[str, float]:
    return {"mean": round(value.mean, 3), "min": round(value.lowest, 3), "max": round(value.highest, 3)}


def _bounds(highest: float | None, hardware: float | None) -> dict[str, float]:
    return {name: value for name, value in (("highest", highest), ("hardware", hardware)) if value is not None}
