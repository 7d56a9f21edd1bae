"""A card back onto an ONNX file that another tool stripped of it, after both files have said the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import EdgessdError, ExportError, InputError
from edgessd.model.card import METADATA_KEY, ModelCard, card_of
from edgessd.model.onnx_metadata import read_metadata, with_metadata
from edgessd.util.files import replacing
from edgessd_export.parity.compare import open_model
from edgessd_export.parity.gate import quick


def restore_card(stripped: Path, source: Path, out: Path, images: Sequence[NDArray[np.uint8]]) -> ModelCard:
    """Write ``stripped`` with the card of ``source``, whole or not at all, and return the card.

    images: (1, H, W, 3) uint8 BGR each; both files must say the same of them, within the limits of the card's
    precision. Raises InputError where ``stripped`` has a card, ExportError where tensors or outputs differ.
    """
    if read_metadata(stripped, METADATA_KEY) is not None:
        raise InputError(f"{stripped} has a card of its own", fix="leave --from out to see or change it")
    card = card_of(source)
    content = with_metadata(stripped, METADATA_KEY, card.dumps())
    with replacing(out) as unfinished:
        unfinished.write_bytes(content)
        try:
            with open_model(source) as reference, open_model(unfinished) as candidate:
                quick(reference, candidate, images)
        except EdgessdError as error:
            cause = (error.fix if isinstance(error, ExportError) and error.fix else error.cause).replace(
                str(unfinished), str(stripped)
            )
            raise ExportError(f"{stripped} is not the model of {source}, no file is written", fix=cause) from error
    return card
