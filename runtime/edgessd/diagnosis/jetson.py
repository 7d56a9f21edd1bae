"""What a Jetson says about itself: board, L4T and JetPack releases, power mode."""

import re
import subprocess
from pathlib import Path
from typing import Any

RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")


def jetson_facts(root: Path = Path("/")) -> dict[str, Any] | None:
    """Return the board, its releases and its power mode; None on any other machine.

    root: where the system's files lie.
    """
    release = _text(root / "etc/nv_tegra_release")
    board = _text(root / "proc/device-tree/model").rstrip("\0\n")
    if not release and "Jetson" not in board:
        return None
    found = RELEASE.search(release)
    return {
        "board": board or "unknown",
        "l4t": f"{found.group(1)}.{found.group(2)}" if found else None,
        "jetpack": _answer("dpkg-query", "--showformat=${Version}", "--show", "nvidia-jetpack"),
        "power_mode": power_mode(_answer("nvpmodel", "-q") or ""),
    }


def power_mode(text: str) -> str | None:
    """Return the mode's name from what ``nvpmodel -q`` prints."""
    found = re.search(r"NV Power Mode:\s*(\S+)", text)
    return found.group(1) if found else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _answer(*command: str) -> str | None:
    """Return what a program prints, None where it is absent, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
