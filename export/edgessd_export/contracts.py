"""What leaves the graph: the network wrapped so that its outputs are one of the output contracts."""

from torch import Tensor, nn

from edgessd_training.networks.ssd import SSD, scores_from


class Raw(nn.Module):
    """Contract ``raw``: ``offsets`` (B, P, 4) and ``scores`` (B, P, C) after the activation."""

    def __init__(self, network: SSD) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        offsets, logits = self.network(image)
        return offsets, scores_from(logits, self.network.activation)
