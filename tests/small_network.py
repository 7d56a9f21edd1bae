"""Small networks whose features and scores vary as trained ones' do, for the tests of export."""

import torch

from edgessd import ModelCard
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.networks import build


def small_checkpoint(activation: str = "sigmoid", seed: int = 7) -> Checkpoint:
    """Return a network of three classes on 128x128 pixels, batch norms fitted to noise and blobs."""
    description = {
        "family": "ssd_mobilenet_v1",
        "classes": 3,
        "width": 0.25,
        "input_size": 128,
        "activation": activation,
    }
    torch.manual_seed(seed)
    network = build(description)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
            torch.nn.init.constant_(layer.bias, 2.0)  # amid ReLU6: random layers there do not amplify rounding
    for parameter in network.confidence.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # scores spread over 0..1, so that thresholds divide them
    coarse = torch.rand(8, 3, 6, 6)
    images = torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bilinear") * 255
    with torch.no_grad():
        network.train()(images.permute(0, 2, 3, 1).to(torch.uint8))
    network.eval()
    card = ModelCard(
        name="small",
        labels=("cat", "dog", "hen"),
        height=128,
        width=128,
        priors=network.priors,
        activation=activation,
    )
    return Checkpoint(network, description, card)


def small_distances(seed: int = 7) -> Checkpoint:
    """Return a PicoDet-S of three classes on 96x128 pixels, its boxes coded ``ltrb``."""
    description = {"family": "picodet_s", "classes": 3, "input_size": [96, 128]}
    torch.manual_seed(seed)
    network = build(description).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")  # else maps fade away on the way down
        images = torch.randint(0, 256, (2, 96, 128, 3), dtype=torch.uint8)
        for head, answers in zip((network.location, network.confidence), network(images), strict=True):
            # Every answer varies about zero: of the scores of noise a third are above 0.7, one in a hundred above 0.9.
            spread, middle = answers.std(dim=(0, 1)), answers.mean(dim=(0, 1))
            for predictor in head.predictors:
                predictor.weight *= 2 / spread.reshape(-1, 1, 1, 1)
                predictor.bias.copy_((predictor.bias - middle) * 2 / spread)
    card = ModelCard(
        name="small_distances",
        labels=("cat", "dog", "hen"),
        height=96,
        width=128,
        priors=network.priors,
        activation="sigmoid",
        coding=network.coding,
    )
    return Checkpoint(network, description, card)
