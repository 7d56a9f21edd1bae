"""The cores of this machine."""

import os


def usable_cores() -> int:
    """Return how many cores this process may use (affinity and containers counted)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
