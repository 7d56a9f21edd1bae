"""PyTorch running our SSD, eagerly or compiled, with our decoding and NMS."""

from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from comparison.entry import SAME_NETWORK, Entry, Frames, Opened
from comparison.macs import torch_gmac
from comparison.scene import scene_scores
from edgessd.detector import StageTimes
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.card import ModelCard
from edgessd.model.postprocess import REALTIME, RawDecoder
from edgessd.model.preprocess import to_input
from edgessd.model.priors import generate

NEEDS = ("torch", "edgessd_training")
NOTE = "random weights; post-processing fed a fixed scene"


def torch_entries(
    families: Mapping[str, Mapping[str, Any]], batches: list[int], precisions: list[str], *, compiled: bool
) -> list[Entry]:
    """Return our networks in PyTorch, families by their short name; ``compiled`` adds torch.compile."""
    return [
        Entry(
            name=f"torch {way}, {name} {precision}" + (f", batch {batch}" if batch > 1 else ""),
            group=SAME_NETWORK,
            family="torch",
            options={"description": dict(description), "way": way, "precision": precision},
            batch=batch,
            needs=NEEDS,
            note=NOTE,
        )
        for name, description in families.items()
        for precision in precisions
        for way in (["eager", "compile"] if compiled else ["eager"])
        for batch in batches
    ]


def open_torch(description: dict[str, Any], way: str, precision: str) -> Opened:
    """Return a network of random weights, in fp32 or autocast to fp16, on the GPU where there is one."""
    import torch

    from edgessd_training.networks import build
    from edgessd_training.networks.ssd import scores_from

    # Values that random weights shrink below 1e-38 would slow a CPU down as no trained network does.
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build(description).eval().to(device)
    card = ModelCard(
        name=str(description["family"]),
        labels=tuple(str(index) for index in range(int(description["classes"]))),
        height=network.input_hw[0],
        width=network.input_hw[1],
        priors=network.priors,
        activation=network.activation,
    )
    priors_cxcywh = generate(card.priors)
    scene = scene_scores(cxcywh_to_xyxy(priors_cxcywh), len(card.labels))
    decode = RawDecoder(card, priors_cxcywh, REALTIME)
    forward = torch.compile(network) if way == "compile" else network
    still = np.zeros((len(priors_cxcywh), 4), np.float32)

    @torch.inference_mode()
    def infer(images: np.ndarray) -> None:
        with torch.autocast(device.type, torch.float16, enabled=precision == "fp16"):
            offsets, logits = forward(torch.from_numpy(images).to(device))
            offsets.float().cpu().numpy(), scores_from(logits.float(), network.activation).cpu().numpy()

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        images = np.stack([to_input(frame, card.height, card.width) for frame in frames])
        resized = perf_counter()
        infer(images)  # the copy to the host waits for the GPU
        inferred = perf_counter()
        for frame in frames:
            decode(still, scene, *frame.shape[:2])
        return StageTimes(resized - start, inferred - resized, perf_counter() - inferred)

    one = torch.zeros(1, card.height, card.width, 3, dtype=torch.uint8, device=device)
    with torch.inference_mode():
        gmac = torch_gmac(network, partial(network, one))
    return Opened(call, gmac=gmac, precision=precision, device=device.type)
