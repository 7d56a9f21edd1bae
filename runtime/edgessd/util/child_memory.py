"""A limit on the memory of a program that this process started."""

import os
import subprocess
from pathlib import Path
from threading import Event, Thread
from time import sleep

_LOOK_SECONDS = 0.2  # each look costs 20 microseconds, for every camera


def bound_memory(process: "subprocess.Popen[bytes]", most: int) -> Event:
    """Kill a program once it holds more than ``most`` bytes of its own; return an event that is set when this happens.

    The kernel's limit (RLIMIT_DATA) would also count what the drivers of graphics cards only reserve.
    """
    exceeded = Event()

    def watch() -> None:
        while process.poll() is None:
            if _own_bytes(process.pid) > most:
                exceeded.set()
                process.kill()
                return
            sleep(_LOOK_SECONDS)

    Thread(target=watch, name=f"memory of {process.pid}", daemon=True).start()
    return exceeded


def _own_bytes(pid: int) -> int:
    """Return the bytes that a process holds and does not share, 0 where the system does not report them."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except (OSError, ValueError):  # it has ended; only Linux has the file
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
