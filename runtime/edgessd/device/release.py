"""Which board this is, and which JetPack its Jetson Linux (L4T) belongs to."""

import re

from edgessd.device.text_tree import Tree

RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
JETPACKS = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}  # by L4T's first number


def board_name(tree: Tree) -> str | None:
    """Return the board's name in the device tree, None where there is none (a PC)."""
    return tree.text("proc/device-tree/model") or tree.text("sys/firmware/devicetree/base/model")


def l4t(tree: Tree) -> str | None:
    """Return the release of Jetson Linux, such as ``36.4.3``; None where this is no Jetson."""
    found = RELEASE.search(tree.text("etc/nv_tegra_release") or "")
    return f"{found[1]}.{found[2]}" if found else None


def jetpack_of(release: str | None) -> str | None:
    """Return the first number of the JetPack that brings this L4T, None where it is not known."""
    return JETPACKS.get(release.split(".")[0]) if release else None
