"""The energy that the machine counts: Intel's and AMD's RAPL counters, NVIDIA's meter, or nothing."""

import subprocess
from pathlib import Path

RAPL = Path("/sys/class/powercap")


def joules(root: Path = RAPL) -> float | None:
    """Return the joules that all processor packages have used since some moment, None where nobody counts.

    A counter that wraps between two readings gives a negative difference: that block has no watts worth a word.
    """
    total = 0.0
    found = False
    for counter in sorted(root.glob("intel-rapl:[0-9]/energy_uj")):
        try:
            total += int(counter.read_text()) / 1e6
        except (OSError, ValueError):  # readable by root alone on most systems
            return None
        found = True
    return total if found else None


def gpu_watts() -> float | None:
    """Return what the first NVIDIA GPU draws, as its driver averages it; None where it cannot tell."""
    command = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return float(answer.stdout.splitlines()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
