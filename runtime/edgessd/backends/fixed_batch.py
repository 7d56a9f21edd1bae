"""A model with a fixed batch takes any number of images: in parts, the last one padded with black."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = tuple[NDArray[Any], ...]


def in_parts(run: Callable[[NDArray[np.uint8]], Tensors], images: NDArray[np.uint8], batch: int | None) -> Tensors:
    """Return the outputs of all images, (B, ...), by calls of ``batch`` images; by one call where it is None."""
    if batch is None or len(images) == batch:
        return run(images)
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        missing = batch - len(part)
        full = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.uint8)]) if missing else part
        # Copied: an engine's tensors are valid until its next call only.
        parts.append([np.array(tensor[: len(part)]) for tensor in run(full)])
    return tuple(np.concatenate(tensors) for tensors in zip(*parts, strict=True))
