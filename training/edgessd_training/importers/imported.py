"""The checkpoint of a network whose weights came from somewhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgessd_training.checkpoint import Checkpoint, card_for
from edgessd_training.importers.labels import labels_for
from edgessd_training.networks.ssd import SSD


def imported(
    path: Path,
    network: SSD,
    description: Mapping[str, Any],
    labels_path: Path | None,
    *,
    name: str,
    repository: str,
    nms_iou: float = 0.45,
) -> Checkpoint:
    """Return a softmax network, its weights in place, with a card that says which file and repository they are of."""
    card = card_for(
        network,
        name=name,
        labels=labels_for(description["classes"], labels_path, path),
        nms_iou=nms_iou,
        origin=f"{path.name}, imported from {repository}",
    )
    return Checkpoint(network.eval(), description, card)
