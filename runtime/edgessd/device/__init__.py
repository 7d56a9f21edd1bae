"""What a board tells of itself: power, heat, clocks and throttling, read from files that its kernel keeps.

Names and units are those that NVIDIA and the kernel document. What is absent is absent, never zero.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgessd.device.clocks import Clock, clocks
from edgessd.device.power import rails, total
from edgessd.device.temperature import alerts, over_current, temperatures
from edgessd.device.text_tree import Tree

ROOT = Path("/")


@dataclass(frozen=True)
class Snapshot:
    """One moment. rails: watts by label. temperatures: degrees Celsius by zone. clocks: by ``gpu``, ``emc``, ``cpu``.

    alerts: the state of every throttle alert, 0 at rest. over_current: events since the start. denied: the files that
    this user may not read.
    """

    rails: dict[str, float]
    temperatures: dict[str, float]
    clocks: dict[str, Clock]
    alerts: dict[str, int]
    over_current: dict[str, int]
    denied: tuple[str, ...]

    @property
    def power(self) -> tuple[float, str] | None:
        """Return the board's watts and which rails they are of, None where no rail can be read."""
        return total(self.rails)

    @property
    def throttling(self) -> tuple[str, ...]:
        """Return the alerts that slow something down now."""
        return tuple(name for name, state in self.alerts.items() if state > 0)

    def as_json(self) -> dict[str, Any]:
        """Return what is there; what is absent has no key."""
        power = self.power
        values: dict[str, Any] = {
            "power_w": None if power is None else round(power[0], 3),
            "power_of": None if power is None else power[1],
            "rails_w": {name: round(value, 3) for name, value in self.rails.items()},
            "temperatures_c": self.temperatures,
            "clocks_mhz": {
                name: {key: value for key, value in asdict(clock).items() if value is not None}
                for name, clock in self.clocks.items()
            },
            "alerts": self.alerts,
            "over_current": self.over_current,
            "not_readable": list(self.denied),
        }
        return {key: value for key, value in values.items() if value not in (None, {}, [])}


def read_board(root: Path = ROOT) -> Snapshot:
    """Return what the files under ``root`` tell now."""
    tree = Tree(root)
    return Snapshot(
        rails=rails(tree),
        temperatures=temperatures(tree),
        clocks=clocks(tree),
        alerts=alerts(tree),
        over_current=over_current(tree),
        denied=tuple(sorted(tree.denied)),
    )
