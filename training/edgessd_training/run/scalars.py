"""Curves for ``tensorboard --logdir``: nice to have, so what goes wrong with them is told once and ends no run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class Scalars:
    """TensorBoard's writer, until it fails."""

    def __init__(self, folder: Path, first_batch: int) -> None:
        """first_batch: what was written from it on is dropped."""
        self._writer: Any = None
        with self._told():
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder), purge_step=first_batch)

    def add(self, name: str, value: float, batch: int) -> None:
        """Add a point to a curve."""
        if self._writer is not None:
            with self._told():
                self._writer.add_scalar(name, value, batch)

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            with self._told():
                self._writer.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - its thread raises what its file system and its protobuf do
            self._writer = None
            logger.warning("no more TensorBoard curves: %s: %s", type(error).__name__, error)
