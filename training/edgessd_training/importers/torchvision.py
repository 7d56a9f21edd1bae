"""torchvision's ssd300_vgg16 and ssdlite320_mobilenet_v3_large."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgessd.errors import InputError
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.imported import imported
from edgessd_training.importers.state_dict import Names, columns_of, place, read_state_dict
from edgessd_training.networks import build
from edgessd_training.networks.mobilenet_v3 import BLOCKS, FIRST_HEAD_BLOCK
from edgessd_training.networks.prior_layouts import ssd_spec

CONV4_LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)
CONV5_LAYERS = {24: 1, 26: 3, 28: 5}  # our number: torchvision's in its extra.0, which starts with pool4
REDUCED_LAST_CHANNELS = 480
HEADS = [
    ("location.predictors", "head.regression_head.module_list"),
    ("confidence.predictors", "head.classification_head.module_list"),
]


def import_torchvision(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network of one of torchvision's files, told apart by its keys. Raises InputError for others."""
    weights = read_state_dict(path)
    if "backbone.scale_weight" in weights:
        return _ssd300(path, weights, labels_path)
    if "backbone.features.0.0.0.weight" in weights:
        return _ssdlite320(path, weights, labels_path)
    raise InputError(
        f"{path} is neither torchvision's ssd300_vgg16 nor its ssdlite320_mobilenet_v3_large",
        fix=f"its first key is {next(iter(weights))!r}",
    )


def _ssd300(path: Path, weights: Mapping[str, Tensor], labels_path: Path | None) -> Checkpoint:
    classes = columns_of(weights, "head.classification_head.module_list.0.bias", 4) - 1
    spec = ssd_spec(
        300,
        map_sizes=(38, 19, 10, 5, 3, 1),
        pixel_sizes=(21, 45, 99, 153, 207, 261, 315),
        aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
        steps=(8, 16, 32, 64, 100, 300),
        clip=True,
    )
    description = {
        "family": "ssd300_vgg16",
        "classes": classes,
        "priors": spec.as_json(),
        "mean": [255 * 0.48235, 255 * 0.45882, 255 * 0.40784],
    }
    return _checkpoint(path, weights, _names_300(), description, labels_path, name="ssd300_vgg16", nms_iou=0.45)


def _ssdlite320(path: Path, weights: Mapping[str, Tensor], labels_path: Path | None) -> Checkpoint:
    classes = columns_of(weights, "head.classification_head.module_list.0.1.bias", 6) - 1
    last = weights.get("backbone.features.1.3.0.weight")
    description = {
        "family": "ssdlite_mobilenet_v3_large",
        "classes": classes,
        # torchvision halves the tail unless the training began with its ImageNet weights.
        "reduced_tail": last is None or len(last) == REDUCED_LAST_CHANNELS,
    }
    return _checkpoint(
        path, weights, _names_320(), description, labels_path, name="ssdlite320_mobilenet_v3_large", nms_iou=0.55
    )


def _names_300() -> Names:
    names = [(f"backbone.features.{number}.", f"backbone.features.{number}.") for number in CONV4_LAYERS]
    names += [(f"backbone.features.{ours}.", f"backbone.extra.0.{theirs}.") for ours, theirs in CONV5_LAYERS.items()]
    names += [(f"backbone.extras.{number}", f"backbone.extra.{number + 1}") for number in range(4)]
    return [
        *names,
        ("backbone.norm.scale", "backbone.scale_weight"),
        ("backbone.conv6", "backbone.extra.0.7.1"),
        ("backbone.conv7", "backbone.extra.0.7.3"),
        *HEADS,
    ]


def _names_320() -> Names:
    """Return the names; torchvision cuts the backbone in two inside the block whose expansion is a map."""
    names = [("backbone.first", "backbone.features.0.0"), ("backbone.extras", "backbone.extra"), *HEADS]
    behind = len(BLOCKS) - FIRST_HEAD_BLOCK
    names.append(("backbone.last", f"backbone.features.1.{behind}"))
    for number, (*_, excite, _, _) in enumerate(BLOCKS):
        ours = f"backbone.blocks.{number}"
        if number == FIRST_HEAD_BLOCK:
            names.append((f"{ours}.expand.", f"backbone.features.0.{number + 1}."))
            theirs = "backbone.features.1.0"
        elif number < FIRST_HEAD_BLOCK:
            theirs = f"backbone.features.0.{number + 1}.block"
        else:
            theirs = f"backbone.features.1.{number - FIRST_HEAD_BLOCK}.block"
        names += v3_block(ours, theirs, expands=number > 0, excites=excite)
    return names


def v3_block(ours: str, theirs: str, *, expands: bool, excites: bool) -> list[tuple[str, str]]:
    """Return the names of one inverted residual block of torchvision's MobileNetV3."""
    steps = [*(["expand"] if expands else []), "depthwise", *(["squeeze"] if excites else []), "project"]
    names = []
    for number, step in enumerate(steps):
        if step == "squeeze":
            names.append((f"{ours}.squeeze.squeeze.", f"{theirs}.{number}.fc1."))
            names.append((f"{ours}.squeeze.excite.", f"{theirs}.{number}.fc2."))
        else:
            names.append((f"{ours}.{step}.", f"{theirs}.{number}."))
    return names


def _checkpoint(
    path: Path,
    weights: Mapping[str, Tensor],
    names: Names,
    description: dict[str, Any],
    labels_path: Path | None,
    *,
    name: str,
    nms_iou: float,
) -> Checkpoint:
    network = build(description)
    place(network, weights, names, where=path)
    return imported(path, network, description, labels_path, name=name, repository="torchvision", nms_iou=nms_iou)
