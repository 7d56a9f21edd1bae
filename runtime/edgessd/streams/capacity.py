"""How many frames to detect at once, in workers and in batches."""

from collections.abc import Sequence

import cv2
import numpy as np

from edgessd.detector import Detector
from edgessd.errors import EdgessdError, InputError
from edgessd.sources import Source
from edgessd.util.cores import usable_cores

MOST_BY_DEFAULT = 8


def default_workers() -> int:
    """Return the workers for several streams: one a core."""
    return usable_cores()


def workers_for(sources: Sequence[Source]) -> int:
    """Return how many frames to work on at once: all cores for files, one frame on all cores for cameras."""
    # The workers use the cores; OpenCV's own pool would only fight them for a resize of 0.2 ms.
    cv2.setNumThreads(1)
    return 1 if any(source.live for source in sources) else usable_cores()


def default_batch(detector: Detector, streams: int) -> int:
    """Return the frames in one call: one on a CPU, where a batch costs what its frames cost; else one a stream.

    An engine's profile bounds it.
    """
    on_gpu = "CUDA" in detector.backend.name or "tensorrt" in detector.backend.name.lower()
    if not on_gpu:
        return 1
    profile = detector.card.engine.get("profile", {})
    most = int(profile.get("max", MOST_BY_DEFAULT)) if isinstance(profile, dict) else MOST_BY_DEFAULT
    return max(1, min(streams, most, MOST_BY_DEFAULT))


def check_batch(detector: Detector, batch: int) -> None:
    """Raise InputError when the model does not take so many images in one call."""
    if batch == 1:
        return
    card = detector.card
    try:
        detector.backend.infer(np.zeros((batch, card.height, card.width, 3), np.uint8))
    except EdgessdError as error:
        raise InputError(f"{detector.path.name} takes no batch of {batch}: {error}") from error
