"""SSD networks. ``build`` makes the network that a description names; a checkpoint stores the description."""

from collections.abc import Mapping
from typing import Any

from edgessd.errors import InputError
from edgessd_training.networks.ssd import SSD

FAMILIES = (
    "ssd300_vgg16",
    "ssd512_vgg16",
    "ssd_mobilenet_v1",
    "ssdlite_mobilenet_v2",
    "tensorflow_ssdlite_mobilenet_v2",
    "ssdlite_mobilenet_v3_large",
    "picodet_s",
    "qfgaohao_mb1_ssd",
    "qfgaohao_mb2_ssd_lite",
)


def build(description: Mapping[str, Any]) -> SSD:
    """Return an untrained network, its weights drawn as published.

    description: ``family``, that family's own keys (see its module) and those of ``assemble``, all plain
    JSON values. Raises InputError for a family or a key that does not exist.
    """
    options = {key: value for key, value in description.items() if key != "family"}
    try:
        match description.get("family"):
            case "ssd300_vgg16":
                from edgessd_training.networks.vgg16 import ssd300_vgg16

                return ssd300_vgg16(**options)
            case "ssd512_vgg16":
                from edgessd_training.networks.vgg16 import ssd512_vgg16

                return ssd512_vgg16(**options)
            case "ssd_mobilenet_v1":
                from edgessd_training.networks.mobilenet_v1 import ssd_mobilenet_v1

                return ssd_mobilenet_v1(**options)
            case "ssdlite_mobilenet_v2":
                from edgessd_training.networks.mobilenet_v2 import ssdlite_mobilenet_v2

                return ssdlite_mobilenet_v2(**options)
            case "tensorflow_ssdlite_mobilenet_v2":
                from edgessd_training.networks.mobilenet_v2 import tensorflow_ssdlite_mobilenet_v2

                return tensorflow_ssdlite_mobilenet_v2(**options)
            case "ssdlite_mobilenet_v3_large":
                from edgessd_training.networks.mobilenet_v3 import ssdlite_mobilenet_v3_large

                return ssdlite_mobilenet_v3_large(**options)
            case "picodet_s":
                from edgessd_training.networks.picodet import picodet_s

                return picodet_s(**options)
            case "qfgaohao_mb1_ssd":
                from edgessd_training.networks.qfgaohao import qfgaohao_mb1_ssd

                return qfgaohao_mb1_ssd(**options)
            case "qfgaohao_mb2_ssd_lite":
                from edgessd_training.networks.qfgaohao import qfgaohao_mb2_ssd_lite

                return qfgaohao_mb2_ssd_lite(**options)
            case family:
                raise InputError(f"unknown network family {family!r}", fix=f"choose {', '.join(FAMILIES)}")
    except TypeError as error:
        raise InputError(f"wrong options for {description.get('family')}: {error}") from error
