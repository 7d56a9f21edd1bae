"""The checkpoint of an exported fp32 or fp16 file again: what its weights are for when the checkpoint is gone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd.model.card import ModelCard, card_of
from edgessd.util.extras import need
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.networks import build


def restore_checkpoint(path: Path) -> Checkpoint:
    """Return the network of an ONNX file that edgessd exported from a trained checkpoint, with its card.

    Batch norms were folded into the convolutions: they come back as the identity and the bias, so training on needs
    ``optimizer.freeze_bn``. Weights are as exact as the file. Raises InputError for int8, for a file whose card does
    not tell the network, and for networks of more than convolutions and batch norms (SSD300-VGG16's L2Norm).
    """
    card = card_of(path)
    description = _description(card, path)
    network = build(description)
    modules, left = dict(network.named_modules()), dict(network.named_parameters())
    with torch.no_grad():
        for name, weight, bias in _convolutions(path):
            convolution = modules.get(name)
            if not isinstance(convolution, nn.Conv2d) or convolution.weight.shape != weight.shape:
                raise InputError(f"{path} has a layer {name}, its card's network has not", fix="export it again")
            _put(left, f"{name}.weight", weight)
            norm_name = _next(name)
            norm = modules.get(norm_name)
            if convolution.bias is not None:
                _put(left, f"{name}.bias", torch.zeros(len(bias)) if isinstance(norm, nn.BatchNorm2d) else bias)
            if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None:
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
                _put(left, f"{norm_name}.weight", torch.ones(len(bias)))
                _put(left, f"{norm_name}.bias", bias)
    if left:
        raise InputError(
            f"{path} holds nothing for {next(iter(left))}", fix="this network cannot be restored from its export"
        )
    card = card.with_changes(
        contract="raw", kept=None, score_floor=0.0, precision="fp32", metrics={}, quantisation={}, self_test={}
    )
    return Checkpoint(network.eval(), description, card)


def _convolutions(path: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield name in the checkpoint, weight and bias of every convolution; the exporter leaves out a bias of zeros."""
    onnx: Any = need("onnx", "train")
    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            arrays = [onnx.numpy_helper.to_array(tensors[name]).astype("float32") for name in node.input[1:]]
            weight, *biases = map(torch.from_numpy, arrays)
            name = node.input[1].split("network.")[-1].removesuffix(".weight")
            yield name, weight, biases[0] if biases else torch.zeros(len(weight))


def _next(name: str) -> str:
    """Return the name of what follows a layer in its sequence; one outside a sequence has none."""
    parent, _, place = name.rpartition(".")
    return f"{parent}.{int(place) + 1}" if place.isdigit() else ""


def _put(left: dict[str, nn.Parameter], name: str, value: Tensor) -> None:
    left.pop(name).copy_(value)


def _description(card: ModelCard, path: Path) -> dict[str, object]:
    network = card.training.get("recipe", {}).get("network")
    if not network:
        raise InputError(f"the card of {path} tells no network", fix="restore from a file of a trained model")
    if card.precision not in ("fp32", "fp16"):
        raise InputError(f"the weights of {path} are {card.precision}", fix="restore from the fp32 or fp16 file")
    return {**network, "classes": len(card.labels), "input_size": [card.height, card.width]}
