"""Which frames of a source are detected."""

from enum import Enum

from edgessd.errors import InputError
from edgessd.util.suggestions import did_you_mean


class Policy(str, Enum):
    """latest: the newest frame; what it replaced is dropped and counted. every: reading waits, no frame is lost."""

    LATEST = "latest"
    EVERY = "every"

    def __str__(self) -> str:
        return self.value


def policy_named(name: str | None) -> Policy | None:
    """Return the policy of a name; None, latest for live sources and every for others, for None. Raises InputError."""
    if name is None:
        return None
    names = [policy.value for policy in Policy]
    if name not in names:
        raise InputError(f"unknown policy {name!r}", fix=did_you_mean(name, names))
    return Policy(name)
