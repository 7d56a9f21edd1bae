"""Temperatures, and what slows a board down: throttle alerts and over-current events."""

from edgessd.device.text_tree import Tree

ALERTS = ("-throttle-alert", "hot-surface-alert")


def temperatures(tree: Tree) -> dict[str, float]:
    """Return degrees Celsius by thermal zone; a zone of a part that is switched off is absent."""
    found = {}
    for zone in tree.matching("sys/class/thermal/thermal_zone*"):
        name, thousandths = tree.text(f"{zone}/type"), tree.number(f"{zone}/temp")
        if name is not None and thousandths is not None:
            found[name.removesuffix("-thermal")] = thousandths / 1e3
    return found


def alerts(tree: Tree) -> dict[str, int]:
    """Return the state of every throttle alert by its name, 0 where it slows nothing down now.

    Other cooling devices (the fan, caps of single clocks) work without anything being throttled.
    """
    found = {}
    for device in tree.matching("sys/class/thermal/cooling_device*"):
        name, state = tree.text(f"{device}/type"), tree.number(f"{device}/cur_state")
        if name is not None and state is not None and name.endswith(ALERTS):
            found[name] = state
    return found


def over_current(tree: Tree) -> dict[str, int]:
    """Return the events since the start by their input; each slowed the clocks for a moment.

    On Orin oc1 is under-voltage, oc2 the average and oc3 the instantaneous over-current.
    """
    found = {}
    for counter in tree.matching("sys/class/hwmon/hwmon*/oc*_event_cnt"):
        count = tree.number(counter)
        if count is not None:
            found[counter.rsplit("/", 1)[1].removesuffix("_event_cnt")] = count
    return found
