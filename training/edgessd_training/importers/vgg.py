"""SSD on VGG16 from amdegroot/ssd.pytorch, lufficc/SSD and qfgaohao/pytorch-ssd: one network, three spellings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from edgessd.model.priors import PriorSpec
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.imported import imported
from edgessd_training.importers.state_dict import Names, columns_of, place, read_state_dict
from edgessd_training.networks import build
from edgessd_training.networks.prior_layouts import ssd_spec

FIRST_MAP_PRIORS = 4
VOC_CLASSES, COCO_CLASSES = 20, 80
CONV6, CONV7 = 31, 33  # their places in the list of layers that all three repositories number through
RATIOS_300 = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
RATIOS_512 = ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,))
# Sizes in pixels: s_k of every map and one more, as the repositories' configurations write them out.
VOC_300 = (30, 60, 111, 162, 213, 264, 315)
COCO_300 = (21, 45, 99, 153, 207, 261, 315)
VOC_512 = (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.65)
COCO_512 = (20.48, 51.2, 133.12, 215.04, 296.96, 378.88, 460.8, 542.72)


def import_amdegroot(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return SSD300 with the weights of amdegroot/ssd.pytorch. Raises InputError when they do not fit.

    Priors as its code chooses them: VOC's for 21 columns, else COCO's (ssd.py, data/config.py).
    """
    weights = read_state_dict(path)
    classes = columns_of(weights, "conf.0.bias", FIRST_MAP_PRIORS) - 1
    sizes = VOC_300 if classes == VOC_CLASSES else COCO_300
    names = [
        *_flat_layers("vgg", "extras", extra_count=4),
        ("backbone.norm.scale", "L2Norm.weight"),
        ("location.predictors", "loc"),
        ("confidence.predictors", "conf"),
    ]
    return _ssd_vgg16(
        path, weights, names, classes, labels_path, "ssd300_vgg16", _spec_300(sizes), "amdegroot/ssd.pytorch"
    )


def import_lufficc(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return SSD300 or SSD512 with the weights of lufficc/SSD. Raises InputError when they do not fit.

    Priors as its configurations have them: COCO's for 81 columns, else VOC's (configs/vgg_ssd*.yaml).
    """
    weights = read_state_dict(path)
    classes = columns_of(weights, "box_head.predictor.cls_headers.0.bias", FIRST_MAP_PRIORS) - 1
    large = "backbone.extras.8.weight" in weights
    names = [
        *_flat_layers("backbone.vgg", "backbone.extras", extra_count=5 if large else 4),
        ("backbone.norm.scale", "backbone.l2_norm.weight"),
        ("location.predictors", "box_head.predictor.reg_headers"),
        ("confidence.predictors", "box_head.predictor.cls_headers"),
    ]
    if large:
        family, spec = "ssd512_vgg16", _spec_512(COCO_512 if classes == COCO_CLASSES else VOC_512)
    else:
        family, spec = "ssd300_vgg16", _spec_300(COCO_300 if classes == COCO_CLASSES else VOC_300)
    return _ssd_vgg16(path, weights, names, classes, labels_path, family, spec, "lufficc/SSD")


def import_qfgaohao_vgg(path: Path, weights: Mapping[str, Tensor], labels_path: Path | None) -> Checkpoint:
    """Return SSD300 with the weights of qfgaohao/pytorch-ssd's vgg16-ssd. Raises InputError when they do not fit."""
    classes = columns_of(weights, "classification_headers.0.bias", FIRST_MAP_PRIORS) - 1
    names = [
        *_base_layers("base_net"),
        ("backbone.norm.scale", "source_layer_add_ons.0.scale"),
        ("backbone.extras", "extras"),
        ("location.predictors", "regression_headers"),
        ("confidence.predictors", "classification_headers"),
    ]
    return _ssd_vgg16(
        path, weights, names, classes, labels_path, "ssd300_vgg16", _spec_300(VOC_300), "qfgaohao/pytorch-ssd"
    )


def _base_layers(base: str) -> Names:
    return [
        ("backbone.features", base),
        ("backbone.conv6", f"{base}.{CONV6}"),
        ("backbone.conv7", f"{base}.{CONV7}"),
    ]


def _flat_layers(base: str, extras: str, *, extra_count: int) -> list[tuple[str, str]]:
    """Return the names of a repository that lists the extra convolutions one after the other."""
    names = list(_base_layers(base))
    for number in range(extra_count):
        names.append((f"backbone.extras.{number}.0", f"{extras}.{2 * number}"))
        names.append((f"backbone.extras.{number}.2", f"{extras}.{2 * number + 1}"))
    return names


def _spec_300(pixel_sizes: tuple[float, ...]) -> PriorSpec:
    return ssd_spec(300, (38, 19, 10, 5, 3, 1), pixel_sizes, RATIOS_300, (8, 16, 32, 64, 100, 300), clip=True)


def _spec_512(pixel_sizes: tuple[float, ...]) -> PriorSpec:
    return ssd_spec(512, (64, 32, 16, 8, 4, 2, 1), pixel_sizes, RATIOS_512, (8, 16, 32, 64, 128, 256, 512), clip=True)


def _ssd_vgg16(
    path: Path,
    weights: Mapping[str, Tensor],
    names: Names,
    classes: int,
    labels_path: Path | None,
    family: str,
    spec: PriorSpec,
    repository: str,
) -> Checkpoint:
    description: dict[str, Any] = {"family": family, "classes": classes, "priors": spec.as_json()}
    network = build(description)
    place(network, weights, names, where=path)
    return imported(path, network, description, labels_path, name=family, repository=repository)
