"""What a loss returns."""

from typing import NamedTuple

from torch import Tensor


class LossParts(NamedTuple):
    """Sums over a batch, not yet divided, and the number of matched priors, all scalars."""

    scores: Tensor
    boxes: Tensor
    matched: Tensor

    def over(self, matched: Tensor) -> Tensor:
        """Return the loss for a batch with that many matched priors; one at least, since it may hold no object."""
        return (self.scores + self.boxes) / matched.clamp(min=1)
