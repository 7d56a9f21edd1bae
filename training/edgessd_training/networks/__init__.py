"""SSD networks. ``build`` makes the network that a description names; a checkpoint stores the description."""

from collections.abc import Mapping
from typing import Any

from edgessd.errors import InputError
from edgessd_training.networks.ssd import SSD


def build(description: Mapping[str, Any]) -> SSD:
    """Return an untrained network.

    description: ``family`` and that family's own keys (see its module), all plain JSON values.
    Raises InputError for a family or a key that does not exist.
    """
    options = {key: value for key, value in description.items() if key != "family"}
    try:
        match description.get("family"):
            case "ssd_mobilenet_v1":
                from edgessd_training.networks.mobilenet_v1 import ssd_mobilenet_v1

                return ssd_mobilenet_v1(**options)
            case family:
                raise InputError(f"unknown network family {family!r}: choose ssd_mobilenet_v1")
    except TypeError as error:
        raise InputError(f"wrong options for {description.get('family')}: {error}") from error
