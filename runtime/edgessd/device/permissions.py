"""Whether this user may use a device, and the group that would let them."""

import grp
import os
from pathlib import Path


def usable(device: Path) -> bool:
    """Return whether this user may read and write a device."""
    return os.access(device, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def group_of(device: Path) -> str:
    """Return the name of the group that a device belongs to, its number where it has no name."""
    number = device.stat().st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
