"""Which frames of a source are detected."""

from edgessd.errors import InputError
from edgessd.util.suggestions import did_you_mean
from edgessd.util.text_enum import TextEnum


class Policy(TextEnum):
    """latest: the newest frame; what it replaced is dropped and counted. every: reading waits, no frame is lost."""

    LATEST = "latest"
    EVERY = "every"


def policy_named(name: str | None) -> Policy | None:
    """Return the policy of a name; None, latest for live sources and every for others, for None. Raises InputError."""
    if name is None:
        return None
    names = [policy.value for policy in Policy]
    if name not in names:
        raise InputError(f"unknown policy {name!r}", fix=did_you_mean(name, names))
    return Policy(name)
