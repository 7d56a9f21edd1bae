"""Watts of a board's power rails, from the monitors that its kernel lists under /sys/class/hwmon.

Orin's INA3221 measures three rails (mV and mA each), AGX Orin's second one the memory's; AGX Thor's carrier adds an
INA238 for the whole input (in microwatts). hwmon's numbers change between starts, so a monitor is known by its name.
"""

import re

from edgessd.device.text_tree import Tree

WHOLE = ("VIN", "VDD_IN", "POM_5V_IN")  # rails that feed all others, the widest first
# AGX Orin's memory rail is fed by VIN_SYS_5V0 and would count twice.
FED_BY_OTHERS = ("VDDQ_VDD2_1V8AO",)


def rails(tree: Tree) -> dict[str, float]:
    """Return the watts of every rail that can be read, by its label."""
    found: dict[str, float] = {}
    for path in tree.matching("sys/class/hwmon/hwmon*"):
        match tree.text(f"{path}/name"):
            case "ina3221":
                found |= _ina3221(tree, path)
            case "ina238":
                microwatts = tree.number(f"{path}/power1_input")
                if microwatts is not None:
                    found[tree.text(f"{path}/in1_label") or "VIN"] = microwatts / 1e6
    return found


def _ina3221(tree: Tree, path: str) -> dict[str, float]:
    """Return the rails of one INA3221: its labelled channels that have a current (the sum of the shunts has none)."""
    found = {}
    for label in tree.matching(f"{path}/in*_label"):
        channel = re.fullmatch(r".*/in(\d+)_label", label)
        name = tree.text(label)
        if channel is None or not name or name == "NC":
            continue
        millivolts = tree.number(f"{path}/in{channel[1]}_input")
        milliamperes = tree.number(f"{path}/curr{channel[1]}_input")
        if millivolts is not None and milliamperes is not None:
            found[name] = millivolts * milliamperes / 1e6
    return found


def total(watts: dict[str, float]) -> tuple[float, str] | None:
    """Return the board's watts and which rails they are of; None without rails."""
    for name in WHOLE:
        if name in watts:
            return watts[name], name
    added = {name: value for name, value in watts.items() if name not in FED_BY_OTHERS}
    return (sum(added.values()), " + ".join(added)) if added else None
