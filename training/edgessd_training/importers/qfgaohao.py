"""qfgaohao/pytorch-ssd: mb1-ssd, mb2-ssd-lite and vgg16-ssd."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from edgessd.errors import InputError
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.imported import imported
from edgessd_training.importers.state_dict import Names, columns_of, place, read_state_dict
from edgessd_training.importers.vgg import import_qfgaohao_vgg
from edgessd_training.networks import build
from edgessd_training.networks.mobilenet_v1 import BLOCKS

PRIORS_PER_CELL = 6
V2_BLOCKS = 17
EXTRA_MAPS = 4
HEADS = [("location.predictors", "regression_headers"), ("confidence.predictors", "classification_headers")]


def import_qfgaohao(path: Path, labels_path: Path | None = None) -> Checkpoint:
    """Return the network of one of the repository's files, told apart by its keys.

    Raises InputError for a file that is none of the three.
    """
    weights = read_state_dict(path)
    if "source_layer_add_ons.0.scale" in weights:
        return import_qfgaohao_vgg(path, weights, labels_path)
    if "base_net.1.conv.0.weight" in weights:
        return _mobilenet(path, weights, labels_path, "qfgaohao_mb2_ssd_lite", _names_v2())
    if "base_net.1.0.weight" in weights:
        return _mobilenet(path, weights, labels_path, "qfgaohao_mb1_ssd", _names_v1())
    raise InputError(
        f"{path} is none of qfgaohao/pytorch-ssd's vgg16-ssd, mb1-ssd and mb2-ssd-lite",
        fix=f"its first key is {next(iter(weights))!r}, theirs begin with base_net",
    )


def _names_v1() -> Names:
    names = [("backbone.first", "base_net.0"), ("backbone.extras", "extras"), *HEADS]
    for number in range(len(BLOCKS)):
        # Six layers in a row there; a filter and a mixture here.
        for index, place_there in ((0, 0), (1, 3)):
            names += _norm_after(f"backbone.blocks.{number}.{index}", f"base_net.{number + 1}", place_there)
    return names


def _names_v2() -> Names:
    names = [("backbone.first", "base_net.0"), ("backbone.last", f"base_net.{V2_BLOCKS + 1}"), *HEADS]
    for number in range(V2_BLOCKS):
        names += _inverted_residual(f"backbone.blocks.{number}", f"base_net.{number + 1}.conv", expands=number > 0)
    for number in range(EXTRA_MAPS):
        names += _inverted_residual(f"backbone.extras.{number}", f"extras.{number}.conv", expands=True)
    return names


def _inverted_residual(ours: str, theirs: str, *, expands: bool) -> list[tuple[str, str]]:
    steps = ("expand", "depthwise", "project") if expands else ("depthwise", "project")
    return [pair for k, step in enumerate(steps) for pair in _norm_after(f"{ours}.{step}", theirs, 3 * k)]


def _norm_after(ours: str, theirs: str, first: int) -> list[tuple[str, str]]:
    """Return the names of a convolution and its batch norm, numbers first and first + 1 there."""
    return [(f"{ours}.0.", f"{theirs}.{first}."), (f"{ours}.1.", f"{theirs}.{first + 1}.")]


def _mobilenet(
    path: Path, weights: Mapping[str, Tensor], labels_path: Path | None, family: str, names: Names
) -> Checkpoint:
    bias = "classification_headers.0.bias" if family == "qfgaohao_mb1_ssd" else "classification_headers.0.3.bias"
    classes = columns_of(weights, bias, PRIORS_PER_CELL) - 1
    description = {"family": family, "classes": classes}
    network = build(description)
    place(network, weights, names, where=path)
    return imported(
        path,
        network,
        description,
        labels_path,
        name=family.removeprefix("qfgaohao_"),
        repository="qfgaohao/pytorch-ssd",
    )
