"""What happens when the loss is no number: the batch is kept and the run stops."""

from typing import TYPE_CHECKING

import torch

from edgessd.errors import TrainingError
from edgessd.util.files import replacing
from edgessd_training.loader import Batch

if TYPE_CHECKING:
    from edgessd_training.run import Run


def stop_run(run: "Run", batch: Batch, number: int) -> None:
    """Write the batch beside the run's state and raise TrainingError; the state stays that of the last save."""
    rank = run.training.fabric.global_rank
    names = [run.data.records[index].file_name for index in batch.indices.tolist()]
    path = run.folder.path / f"nonfinite_batch_{number}_rank_{rank}.pt"
    with replacing(path) as unfinished:
        content = {
            key: value.cpu() if isinstance(value, torch.Tensor) else value for key, value in batch._asdict().items()
        }
        torch.save({**content, "file_names": names, "network": run.training.network.state_dict()}, unfinished)
    raise TrainingError(
        f"the loss of batch {number} is not finite",
        fix=(f"the batch is in {path}; lower optimizer.lr, set optimizer.clip_norm, or use precision 32"),
    )
