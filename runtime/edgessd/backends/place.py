"""Where a model is, a file or a server, and the card that it has there."""

from pathlib import Path

from edgessd.backends.triton.address import Place, TritonAddress, triton_address
from edgessd.model.card import ModelCard, card_of
from edgessd.model.shipped import model_path


def locate(model: str | Path) -> Place:
    """Return where a model is: ``triton://HOST/MODEL``, a file, or a shipped model's name. Raises InputError."""
    return triton_address(model) or model_path(model)


def card_at(place: Place) -> ModelCard:
    """Return a model's card. Raises CardError where it has none, BackendError where its server does not answer."""
    if not isinstance(place, TritonAddress):
        return card_of(place)
    from edgessd.backends.triton.server import TritonServer

    return TritonServer(place).card()[0]
