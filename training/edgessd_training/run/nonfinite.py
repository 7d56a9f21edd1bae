"""What happens when the loss is no number: the batch is kept and the run stops."""

from collections.abc import Sequence
from pathlib import Path

import torch

from edgessd.errors import TrainingError
from edgessd_training.checkpoint import save_torch
from edgessd_training.data.records import Record
from edgessd_training.loop.training import Training
from edgessd_training.samples.loader import Batch


def stop_run(training: Training, records: Sequence[Record], folder: Path, batch: Batch, number: int) -> None:
    """Write the batch beside the run's state and raise TrainingError; the state stays that of the last save."""
    names = [records[index].file_name for index in batch.indices.tolist()]
    path = folder / f"nonfinite_batch_{number}_rank_{training.fabric.global_rank}.pt"
    content = {key: value.cpu() if isinstance(value, torch.Tensor) else value for key, value in batch._asdict().items()}
    save_torch(path, {**content, "file_names": names, "network": training.network.state_dict()})
    raise TrainingError(
        f"the loss of batch {number} is not finite",
        fix=f"the batch is in {path}; lower optimizer.lr, set optimizer.clip_norm, or use precision 32",
    )
