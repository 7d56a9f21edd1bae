"""SSD networks. ``build`` makes the network that a description names; a checkpoint stores the description.

A new backbone is one file, with a function that returns its SSD, and one line in FAMILIES. See ``ssd.Backbone`` for
what it must answer and ``assemble`` for what turns it into a detector.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from edgessd.errors import InputError
from edgessd.util.suggestions import did_you_mean
from edgessd_training.networks.assemble import assemble
from edgessd_training.networks.mobilenet_v1 import ssd_mobilenet_v1
from edgessd_training.networks.mobilenet_v2 import ssdlite_mobilenet_v2, tensorflow_ssdlite_mobilenet_v2
from edgessd_training.networks.mobilenet_v3 import ssdlite_mobilenet_v3_large
from edgessd_training.networks.picodet import picodet_s
from edgessd_training.networks.qfgaohao import qfgaohao_mb1_ssd, qfgaohao_mb2_ssd_lite
from edgessd_training.networks.ssd import SSD
from edgessd_training.networks.vgg16 import ssd300_vgg16, ssd512_vgg16

FAMILIES: Mapping[str, Callable[..., SSD]] = {
    "ssd300_vgg16": ssd300_vgg16,
    "ssd512_vgg16": ssd512_vgg16,
    "ssd_mobilenet_v1": ssd_mobilenet_v1,
    "ssdlite_mobilenet_v2": ssdlite_mobilenet_v2,
    "tensorflow_ssdlite_mobilenet_v2": tensorflow_ssdlite_mobilenet_v2,
    "ssdlite_mobilenet_v3_large": ssdlite_mobilenet_v3_large,
    "picodet_s": picodet_s,
    "qfgaohao_mb1_ssd": qfgaohao_mb1_ssd,
    "qfgaohao_mb2_ssd_lite": qfgaohao_mb2_ssd_lite,
}


def build(description: Mapping[str, Any]) -> SSD:
    """Return an untrained network, its weights drawn as published.

    description: ``family``, that family's own keys (see its module) and those of ``assemble``, all plain
    JSON values. Raises InputError for a family or a key that does not exist.
    """
    options = dict(description)
    family = options.pop("family", None)
    if not isinstance(family, str) or family not in FAMILIES:
        raise InputError(f"unknown network family {family!r}", fix=did_you_mean(str(family), FAMILIES))
    keys = _keys(FAMILIES[family])
    if unknown := next((key for key in options if key not in keys), None):
        raise InputError(f"{family} has no option {unknown!r}", fix=did_you_mean(unknown, keys))
    if "classes" not in options:
        raise InputError(f"{family} needs the option 'classes'", fix="say how many there are")
    return FAMILIES[family](**options)


def _keys(family: Callable[..., SSD]) -> list[str]:
    """Return the options of a family: its own, and those of ``assemble`` where it passes them on."""
    own = signature(family).parameters.values()
    passed_on = signature(assemble).parameters.values() if any(key.kind is Parameter.VAR_KEYWORD for key in own) else ()
    return list(dict.fromkeys(key.name for key in (*own, *passed_on) if key.kind is Parameter.KEYWORD_ONLY))
