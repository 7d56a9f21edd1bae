"""The checkpoint of an exported fp32 or fp16 file again: what its weights are for when the checkpoint is gone."""

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from edgessd.card import ModelCard, card_of
from edgessd.errors import ExportError
from edgessd_export.graph import Graph
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.networks import build


def restore_checkpoint(path: Path) -> Checkpoint:
    """Return the network of an ONNX file that edgessd exported from a trained checkpoint, with its card.

    Batch norms were folded into the convolutions: they come back as the identity and the bias. Weights are as exact as
    the file. Raises ExportError for int8, and for a file whose card does not tell the network.
    """
    card = card_of(path)
    description = _description(card, path)
    network = build(description)
    graph = Graph(onnx.load(str(path)))
    modules, left = dict(network.named_modules()), dict(network.named_parameters())
    with torch.no_grad():
        for layer in graph.layers:
            weight, *biases = (torch.from_numpy(graph.array(name).astype("float32")) for name in layer.node.input[1:])
            bias = biases[0] if biases else torch.zeros(len(weight))  # the exporter leaves out one of zeros
            convolution = modules.get(layer.name)
            if not isinstance(convolution, nn.Conv2d) or convolution.weight.shape != weight.shape:
                raise ExportError(f"{path} has a layer {layer.name}, its card's network has not: export it again")
            _put(left, f"{layer.name}.weight", weight)
            if convolution.bias is not None:
                _put(left, f"{layer.name}.bias", bias)
                continue
            parent, place = layer.name.rpartition(".")[::2]
            norm = modules[f"{parent}.{int(place) + 1}"]
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
            _put(left, f"{parent}.{int(place) + 1}.weight", torch.ones(len(bias)))
            _put(left, f"{parent}.{int(place) + 1}.bias", bias)
        for name in list(left):
            stored = graph.weights.get(f"network.{name}")
            if stored is None:
                raise ExportError(
                    f"{path} holds nothing for {name}: only files of edgessd's own networks can be restored"
                )
            _put(left, name, torch.from_numpy(numpy_helper.to_array(stored).astype("float32")))
    card = card.with_changes(contract="raw", kept=None, precision="fp32", quantisation={}, self_test={})
    return Checkpoint(network.eval(), description, card)


def _put(left: dict[str, nn.Parameter], name: str, value: torch.Tensor) -> None:
    left.pop(name).copy_(value)


def _description(card: ModelCard, path: Path) -> dict[str, object]:
    network = card.training.get("recipe", {}).get("network")
    if card.precision not in ("fp32", "fp16") or not network:
        raise ExportError(
            f"{path} is {card.precision}: restore the checkpoint from the fp32 or fp16 file of a trained model"
        )
    return {**network, "classes": len(card.labels)}
