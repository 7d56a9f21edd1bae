"""How many frames to detect at once, in workers and in batches."""

import numpy as np

from edgessd.detector import Detector
from edgessd.errors import EdgessdError, InputError
from edgessd.util.cores import usable_cores
from edgessd.util.descriptors import RAISE_THE_LIMIT, descriptor_limit

MOST_BY_DEFAULT = 8
MAX_STREAMS = 1024  # a thread and a connection each
_OTHER_FILES = 8  # of the interpreter, the model and the log, at least


def default_workers(*, live: bool = False) -> int:
    """Return how many frames to work on at once: one a core, so that none is idle.

    live: for a single camera, whose frame gets all cores: the shortest time to its result.
    """
    return 1 if live else usable_cores()


def default_batch(detector: Detector, streams: int) -> int:
    """Return the frames in one call: one on a CPU, where a batch costs what its frames cost; else one a stream.

    What the model takes bounds it.
    """
    on_gpu = "CUDA" in detector.backend.name or "tensorrt" in detector.backend.name.lower()
    if not on_gpu:
        return 1
    return max(1, min(streams, detector.backend.most or MOST_BY_DEFAULT, MOST_BY_DEFAULT))


def check_stream_count(count: int) -> None:
    """Raise InputError for more streams than one process can read."""
    if count > MAX_STREAMS:
        raise InputError(f"a process reads at most {MAX_STREAMS} streams, got {count}", fix="start a second one")
    limit = descriptor_limit()
    if limit is not None and count + _OTHER_FILES > limit:
        raise InputError(
            f"{count} streams need as many open files, and this process may open {limit}", fix=RAISE_THE_LIMIT
        )


def check_batch(detector: Detector, batch: int) -> None:
    """Raise InputError when the model does not take so many images in one call."""
    if batch == 1:
        return
    card = detector.card
    try:
        detector.backend.infer(np.zeros((batch, card.height, card.width, 3), np.uint8))
    except EdgessdError as error:
        raise InputError(f"{detector.path.name} takes no batch of {batch}: {error}") from error
