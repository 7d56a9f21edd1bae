"""The multibox loss and its parts (paper, sec. 2.2, "Training objective"); torch."""

from edgessd_training.loss.multibox import LossParts, multibox_loss

__all__ = ["LossParts", "multibox_loss"]
