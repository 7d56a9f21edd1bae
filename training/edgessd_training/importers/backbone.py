"""ImageNet classifiers' weights into the backbones: torchvision's files, and the paper's reduced VGG16."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from edgessd.errors import InputError
from edgessd_training.checkpoint import check_fit
from edgessd_training.importers.state_dict import COUNTER, read_state_dict
from edgessd_training.importers.torchvision import v3_block
from edgessd_training.networks.mobilenet_v2 import MobileNetV2
from edgessd_training.networks.mobilenet_v3 import BLOCKS, MobileNetV3Large
from edgessd_training.networks.ssd import SSD
from edgessd_training.networks.vgg16 import VGG16

CLASSIFIER = "classifier."
FC6_CELLS = 7  # fc6 looked at pool5's 7x7 cells
FC_SHAPES = ((4096, 512 * FC6_CELLS * FC6_CELLS), (4096,), (4096, 4096), (4096,))
KEPT_EVERY_CELL, KEPT_EVERY_CHANNEL = 3, 4  # 7x7 becomes 3x3, 4096 channels 1024
REDUCED_FC = {"31": "conv6", "33": "conv7"}  # of vgg16_reducedfc.pth, which numbers its layers from 0


def load_backbone(network: SSD, path: Path) -> None:
    """Copy ImageNet weights into a network's backbone; extra maps, neck and heads stay as they are.

    Raises InputError when the file does not fit the backbone, or its name's hash is not its own.
    """
    weights = read_state_dict(path)
    backbone = network.backbone
    # ``type``: a class derived for another repository's weights has no ImageNet file of its own.
    if type(backbone) is MobileNetV2:
        features = _renamed(weights, _names_v2(len(backbone.blocks)))
    elif type(backbone) is MobileNetV3Large:
        features = _renamed(weights, _names_v3())
    elif type(backbone) is VGG16:
        features = vgg16_from_classifier(weights)
    else:
        raise InputError(
            f"no ImageNet file is known for the backbone {type(backbone).__name__}",
            fix="take mobilenet_v2, mobilenet_v3_large or vgg16, or leave backbone_weights out",
        )
    expected = {name: value for name, value in backbone.state_dict().items() if _from_imagenet(name, features)}
    complete = {**{name: value for name, value in expected.items() if name.endswith(COUNTER)}, **features}
    check_fit(expected, complete, where=str(path))
    backbone.load_state_dict(complete, strict=False)


def _from_imagenet(name: str, features: Mapping[str, Tensor]) -> bool:
    """Return whether a backbone's tensor comes from the classifier, not from detection's own layers."""
    if name.startswith(("extras.", "norm.")):
        return False
    # torchvision's features-only VGG16 has no usable fc6 and fc7: they keep their Xavier weights.
    return not name.startswith(("conv6.", "conv7.")) or "conv6.weight" in features


def _renamed(weights: Mapping[str, Tensor], names: list[tuple[str, str]]) -> dict[str, Tensor]:
    """Return the weights under our names; names: pairs of (ours, torchvision's) prefixes."""
    features = {}
    for name, value in weights.items():
        if name.startswith(CLASSIFIER):
            continue
        ours = next((ours + name[len(theirs) :] for ours, theirs in names if name.startswith(theirs)), name)
        features[ours] = value
    return features


def _names_v2(blocks: int) -> list[tuple[str, str]]:
    names = [("first.", "features.0."), ("last.", f"features.{blocks + 1}.")]
    for number in range(blocks):
        ours, theirs = f"blocks.{number}", f"features.{number + 1}.conv"
        steps = ["expand", "depthwise"] if number else ["depthwise"]
        names += [(f"{ours}.{step}.", f"{theirs}.{k}.") for k, step in enumerate(steps)]
        # the projection is not wrapped with its batch norm there
        names += [(f"{ours}.project.{k}.", f"{theirs}.{len(steps) + k}.") for k in (0, 1)]
    return names


def _names_v3() -> list[tuple[str, str]]:
    names = [("first.", "features.0."), ("last.", f"features.{len(BLOCKS) + 1}.")]
    for number, (*_, excite, _, _) in enumerate(BLOCKS):
        names += v3_block(f"blocks.{number}", f"features.{number + 1}.block", expands=number > 0, excites=excite)
    return names


def vgg16_from_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return VGG16's features and, where the file has them, fc6 and fc7 as conv6 and conv7."""
    if "0.weight" in weights:
        return {_reduced_fc_name(name): value for name, value in weights.items()}
    features = {name: value for name, value in weights.items() if not name.startswith(CLASSIFIER)}
    fc6, fc7 = weights.get("classifier.0.weight"), weights.get("classifier.3.weight")
    if fc6 is None or fc7 is None or not (fc6.isfinite().all() and fc7.isfinite().all()):
        return features
    bias6, bias7 = weights.get("classifier.0.bias"), weights.get("classifier.3.bias")
    shapes = tuple(None if part is None else tuple(part.shape) for part in (fc6, bias6, fc7, bias7))
    if bias6 is None or bias7 is None or shapes != FC_SHAPES:
        raise InputError(
            f"fc6 and fc7 of this VGG16 have the shapes {shapes}, expected {FC_SHAPES}", fix="give vgg16's file"
        )
    cells = fc6.reshape(len(fc6), -1, FC6_CELLS, FC6_CELLS)
    every = slice(None, None, KEPT_EVERY_CHANNEL)
    return {
        **features,
        "conv6.weight": cells[every, :, ::KEPT_EVERY_CELL, ::KEPT_EVERY_CELL],
        "conv6.bias": bias6[every],
        "conv7.weight": fc7[every, every, None, None],
        "conv7.bias": bias7[every],
    }


def _reduced_fc_name(name: str) -> str:
    number, _, kind = name.partition(".")
    return f"{REDUCED_FC.get(number, f'features.{number}')}.{kind}"
