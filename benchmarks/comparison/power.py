"""The energy that the machine counts: Intel's and AMD's RAPL counters, or nothing."""

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
