"""Networks of random weights as ONNX files, for the speed of what nobody trained here; kept in the work folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparison.ours import RANDOM
from edgessd.errors import InputError
from edgessd.model.card import PRECISIONS
from edgessd.util.files import replacing

CLASSES = 20
# Short names to descriptions; the first is what stands in for a shipped model where none is at hand.
DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "ssd_mobilenet_v1": {"family": "ssd_mobilenet_v1", "width": 0.75, "classes": CLASSES},
    "ssdlite_mobilenet_v2": {"family": "ssdlite_mobilenet_v2", "classes": CLASSES},
    "ssd300_vgg16": {"family": "ssd300_vgg16", "classes": CLASSES},
}
CALIBRATION_FRAMES = 4  # random weights have no accuracy to keep: the ranges need only be sane


def prepared(name: str, precision: str, frames: NDArray[np.uint8], work: Path) -> Path:
    """Return the file of a network in a precision, made where it is not there yet. frames: (N, H, W, 3).

    Raises InputError for a name or a precision that does not exist.
    """
    if name not in DESCRIPTIONS:
        raise InputError(f"no network {name!r}: choose {', '.join(DESCRIPTIONS)}, or give a model file")
    if precision not in PRECISIONS:
        raise InputError(f"no precision {precision!r} of {name}: choose {', '.join(PRECISIONS)}")
    path = work / f"{name}_random_{precision}.onnx"
    if not path.exists():
        write_random(random_checkpoint(name), precision, frames, path)
    return path


def random_checkpoint(name: str) -> Any:
    """Return a network of seeded random weights whose activations keep the size that training gives them."""
    import torch

    from edgessd.model.card import ModelCard
    from edgessd_training.checkpoint import Checkpoint
    from edgessd_training.networks import build

    torch.manual_seed(0)
    network = build(DESCRIPTIONS[name])
    for convolution in network.modules():
        if isinstance(convolution, torch.nn.Conv2d) and convolution.bias is not None:
            # Biases that are all zero would be merged into one tensor by the exporter; no trained network's are.
            torch.nn.init.normal_(convolution.bias, std=0.01)
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    if norms:  # their statistics from noise: otherwise values shrink layer by layer into denormal numbers
        for layer in norms:
            layer.momentum = 1.0
        with torch.no_grad():
            network.train()(torch.randint(0, 256, (4, *network.input_hw, 3), dtype=torch.uint8))
    card = ModelCard(
        name=name,
        labels=tuple(f"class {index}" for index in range(CLASSES)),
        height=network.input_hw[0],
        width=network.input_hw[1],
        priors=network.priors,
        activation=network.activation,
        origin=f"{RANDOM}, for speed alone",
    )
    return Checkpoint(network.eval(), DESCRIPTIONS[name], card)


def write_random(checkpoint: Any, precision: str, frames: NDArray[np.uint8], path: Path) -> None:
    """Write the network; int8 for the CPU, its ranges from a few of the frames.

    The gates of the export are left out: they judge answers, and answers of random weights mean nothing.
    """
    from edgessd.model.preprocess import to_input
    from edgessd_export.graph.float_graph import Layout, float_graph, save
    from edgessd_export.quantisation.calibration import calibrate
    from edgessd_export.quantisation.int8 import Int8, quantised
    from edgessd_export.write import weights_hash

    card = checkpoint.card.with_changes(precision=precision)
    model = float_graph(checkpoint, Layout(), "fp16" if precision == "fp16" else "fp32")
    if precision == "int8":

        def images() -> Iterable[NDArray[np.uint8]]:
            return (to_input(frame, card.height, card.width)[None] for frame in frames[:CALIBRATION_FRAMES])

        model = quantised(model, Int8("cpu", calibrate(model, images, "max", weights_hash(checkpoint))))
    with replacing(path) as unfinished:
        save(model, card, unfinished)
