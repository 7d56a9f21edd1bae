"""Words to systemd, when it started us with ``Type=notify``: ready, alive, stopping."""

import os
import socket

_MICROSECONDS = 1e6


def notify(state: str) -> bool:
    """Send a state such as ``READY=1``; return whether there was anybody to tell (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address)
        channel.sendall(state.encode())
    return True


def watchdog_seconds() -> float | None:
    """Return the time within which systemd wants ``WATCHDOG=1``, None without ``WatchdogSec=``."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(interval) / _MICROSECONDS if interval.isdecimal() and meant == str(os.getpid()) else None
