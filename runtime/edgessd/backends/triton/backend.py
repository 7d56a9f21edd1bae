"""The backend: requests in parts that the model takes, asked again until a server that went away is back."""

import logging
import threading
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.triton import tensors
from edgessd.backends.triton.address import TritonAddress
from edgessd.backends.triton.server import ServerAway, TritonServer
from edgessd.errors import BackendError, InputError
from edgessd.model.card import ModelCard
from edgessd.util.backoff import backoff

LOG = logging.getLogger(__name__)


class TritonBackend:
    """A served model. Where the server goes away, ``infer`` waits until it is back, or until ``close``."""

    def __init__(self, address: TritonAddress, card: ModelCard) -> None:
        """card: the model's, as the server gave it. Raises ServerAway, InputError, CardError."""
        self._server = TritonServer(address)
        self._card = card
        _, self._batch = self._server.card()
        self.most: int | None = self._batch
        self.name = f"triton ({address.host}:{address.port})"
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._away_since: float | None = None

    @property
    def waiting(self) -> bool:
        """Return whether the server is away and a call waits for it."""
        return self._away_since is not None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return the card's outputs for (B, H, W, 3) uint8 BGR."""
        parts = [self._part(images[start : start + self._batch]) for start in range(0, len(images), self._batch)]
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _part(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        try:
            return self._ask(images)
        except ServerAway as away:
            self._tell_away(away)
        attempt = 0
        while not self._closed.wait(backoff(attempt)):
            attempt += 1
            try:
                self._check_same_model()
                outputs = self._ask(images)
            except ServerAway:
                continue
            self._tell_back()
            return outputs
        raise BackendError(f"{self._server.address} did not answer before the end")

    def _ask(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        body, json_length = tensors.request(images, self._card)
        answer = self._server.infer(body, json_length, tensors.most_bytes(self._card, len(images)))
        try:
            return tensors.tensors(answer.body, answer.json_length, self._card, len(images))
        except InputError as error:
            raise BackendError(
                f"{self._server.address} gives an answer that is not its card's: {error.cause}",
                fix="see that a Triton serves the repository of `edgessd deploy`",
            ) from error

    def _check_same_model(self) -> None:
        """Raise BackendError where the server came back with another model: its labels would be wrong."""
        try:
            card, _ = self._server.card()
        except InputError as error:  # it may still load it
            raise ServerAway(error.cause) from error
        if card != self._card:
            raise BackendError(f"{self._server.address} serves another model than at the start", fix="start again")

    def _tell_away(self, away: ServerAway) -> None:
        with self._lock:
            if self._away_since is not None:
                return
            self._away_since = monotonic()
        LOG.warning("%s; asked again until it answers", away.cause)

    def _tell_back(self) -> None:
        with self._lock:
            if self._away_since is None:
                return
            seconds = monotonic() - self._away_since
            self._away_since = None
        LOG.warning("%s answers again after %.1f s", self._server.address, seconds)

    def close(self) -> None:
        """End calls that wait for the server."""
        self._closed.set()
        self._server.disconnect()
