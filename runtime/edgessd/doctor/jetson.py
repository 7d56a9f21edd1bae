"""What a Jetson says about itself: board, L4T and JetPack releases, power mode, clocks."""

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgessd.device import ROOT
from edgessd.device.clocks import clocks
from edgessd.device.power_mode import fastest, modes, power_mode
from edgessd.device.release import board_name, jetpack_of, l4t
from edgessd.device.text_tree import Tree


def jetson_facts(root: Path = ROOT) -> dict[str, Any] | None:
    """Return the board, its releases, its power mode and the fastest one, its clocks; None on any other machine.

    root: where the system's files lie.
    """
    tree = Tree(root)
    release, board = l4t(tree), board_name(tree) or ""
    if release is None and "Jetson" not in board:
        return None
    mode, best = power_mode(tree, _answer("nvpmodel", "-q")), fastest(modes(tree))
    family = jetpack_of(release)
    package = _answer("dpkg-query", "--showformat=${Version}", "--show", "nvidia-jetpack")
    return {
        "board": board or "unknown",
        "l4t": release,
        "jetpack": package or (f"{family}.x" if family else None),
        "power_mode": (mode.name or str(mode.number)) if mode else None,
        "fastest_mode": asdict(best) if best else None,
        "clocks": {
            name: {**asdict(clock), "locked": clock.locked, "capped": clock.capped}
            for name, clock in clocks(tree).items()
        },
    }


def _answer(*command: str) -> str | None:
    """Return what a program prints, None where it is absent, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
