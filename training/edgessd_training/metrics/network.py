"""A PyTorch network as a detector for ``evaluate``: the shipped resize, decode and NMS around its forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from edgessd.model.card import ModelCard
from edgessd.model.detections import Detections
from edgessd.model.postprocess import EVALUATION, PostProcess, RawDecoder
from edgessd.model.preprocess import to_input
from edgessd.model.priors import generate
from edgessd_training.metrics.evaluate import Detect, Images
from edgessd_training.networks.ssd import SSD, offsets_from, scores_from


@contextmanager
def network_detector(network: SSD, card: ModelCard, settings: PostProcess = EVALUATION) -> Iterator[Detect]:
    """Yield a function that detects with the network where it lies (CPU or GPU), one thread at a time.

    card: names, input size, variances and NMS of the network. The network is in evaluation mode inside the
    with-block and gets its former mode back after it.
    """
    decode = RawDecoder(card, generate(network.priors), settings)
    device = next(network.parameters()).device
    training = network.training

    def detect(images: Images) -> list[Detections]:
        batch = torch.from_numpy(np.stack([to_input(image, card.height, card.width) for image in images]))
        with torch.inference_mode():
            location, logits = network(batch.to(device))
            offsets = offsets_from(location.float(), network.bins)
            scores = scores_from(logits.float(), network.activation)
        tensors = zip(images, offsets.cpu().numpy(), scores.cpu().numpy(), strict=True)
        return [decode(own, values, *image.shape[:2]) for image, own, values in tensors]

    network.eval()
    try:
        yield detect
    finally:
        network.train(training)
