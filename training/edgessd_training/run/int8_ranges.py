"""The ranges of quantisation-aware training: measured on training images, on the weights that the run starts from."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgessd.errors import InputError
from edgessd.model.preprocess import to_input
from edgessd_training.data.images import read_image
from edgessd_training.data.records import DataSet
from edgessd_training.loop.fake_int8 import FakeInt8, end_of
from edgessd_training.networks.ssd import SSD
from edgessd_training.recipe import Recipe


def recipe_int8(recipe: Recipe, network: SSD, data: DataSet) -> FakeInt8 | None:
    """Return the fake int8 that a recipe asks for, None where it trains in float.

    Raises InputError for random weights and for a layer to keep in float that does not exist.
    """
    settings, records = recipe.quantisation, data.records
    if settings.variant == "none":
        return None
    if not recipe.start.checkpoint:
        raise InputError(
            "int8 is trained from a detector's weights and start.checkpoint is empty", fix="train in float first"
        )
    places = np.linspace(0, len(records) - 1, min(settings.images, len(records)), dtype=int)
    images = (to_input(read_image(records[place].path), *network.input_hw) for place in places)
    return calibrated(network, settings.variant, settings.keep_float, images)


def calibrated(network: SSD, variant: str, keep_float: Iterable[str], images: Iterable[NDArray[np.uint8]]) -> FakeInt8:
    """Return the fake int8 of a network with the ranges of images, (H, W, 3) uint8 BGR of its input size each.

    Raises InputError for a layer to keep in float that does not exist.
    """
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    for name in keep_float:
        if name not in layers:
            raise InputError(f"quantisation.keep_float names {name!r}", fix=f"this network has {', '.join(layers)}")
    alone = variant == "tensorrt" or any(isinstance(module, nn.Hardswish) for module in network.modules())
    found: dict[str, tuple[float, float]] = {}
    handles = []
    for name, layer in layers.items():
        if name in set(keep_float) or (alone and layer.groups > 1):
            continue
        handles.append(layer.register_forward_pre_hook(lambda _, given, key=f"{name}:in": _widen(found, key, given[0])))
        end = None if alone else end_of(dict(network.named_modules()), name)
        if end is not None:
            handles.append(end.register_forward_hook(lambda _, __, out, key=f"{name}:out": _widen(found, key, out)))
    training = network.training
    network.eval()
    with torch.inference_mode():
        device = next(network.parameters()).device
        for image in images:
            network(torch.from_numpy(image[None]).to(device))
    for handle in handles:
        handle.remove()
    network.train(training)
    return FakeInt8(variant, found)


def _widen(found: dict[str, tuple[float, float]], key: str, tensor: Tensor) -> None:
    low, high = found.get(key, (np.inf, -np.inf))
    found[key] = min(low, float(tensor.min())), max(high, float(tensor.max()))
