"""The multibox loss (paper, sec. 2.2, "Training objective") and that of networks that tell distances; torch."""

from edgessd_training.loss.distances import distance_loss
from edgessd_training.loss.multibox import multibox_loss
from edgessd_training.loss.parts import LossParts

__all__ = ["LossParts", "distance_loss", "multibox_loss"]
