"""The board's power, heat, clocks and throttling for Prometheus, read at every scrape; only what is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgessd.device import ROOT, read_board

_MHZ = 1e6


class BoardMetrics:
    """What Prometheus' client calls a collector."""

    def __init__(self, client: Any, root: Path = ROOT) -> None:
        """root: where the board's files lie."""
        self._gauge = client.metrics_core.GaugeMetricFamily
        self._counter = client.metrics_core.CounterMetricFamily
        self._root = root

    def collect(self) -> Iterator[Any]:
        """Yield the families that have a value."""
        board = read_board(self._root)
        power = {} if board.power is None else {board.power[1]: board.power[0]}
        now = {name: clock.now * _MHZ for name, clock in board.clocks.items() if clock.now is not None}
        highest = {name: clock.highest * _MHZ for name, clock in board.clocks.items() if clock.highest is not None}
        yield from self._family(self._gauge, "edgessd_board_power_watts", "Of the whole board", "of", power)
        yield from self._family(self._gauge, "edgessd_board_rail_watts", "Of one power rail", "rail", board.rails)
        yield from self._family(
            self._gauge, "edgessd_board_temperature_celsius", "Of one thermal zone", "zone", board.temperatures
        )
        yield from self._family(self._gauge, "edgessd_board_clock_hertz", "Now", "clock", now)
        yield from self._family(self._gauge, "edgessd_board_clock_limit_hertz", "Allowed at most", "clock", highest)
        yield from self._family(
            self._gauge, "edgessd_board_throttle_alert", "Above 0 while it slows the board down", "alert", board.alerts
        )
        yield from self._family(
            self._counter, "edgessd_board_over_current_events", "Since the start", "input", board.over_current
        )

    @staticmethod
    def _family(family: Any, name: str, text: str, label: str, values: Any) -> Iterator[Any]:
        if values:
            filled = family(name, text, labels=[label])
            for key, value in values.items():
                filled.add_metric([key], value)
            yield filled
