"""What a detector found in one frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """N boxes of one frame, best score first.

    boxes_xyxy: (N, 4) float32, pixels of the frame, continuous edges. scores: (N,) float32 in 0..1.
    classes: (N,) int64, index into the card's labels.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Any) -> "Detections":
        """Return the rows that a mask or an array of indices chooses."""
        return Detections(self.boxes_xyxy[chosen], self.scores[chosen], self.classes[chosen])

    def as_json(self, labels: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return one ``{"label", "score", "box": [x1, y1, x2, y2]}`` a detection, pixels to 2 decimals."""
        return [
            {"label": labels[index], "score": round(score, 4), "box": [round(edge, 2) for edge in box]}
            for index, score, box in zip(
                self.classes.tolist(), self.scores.tolist(), self.boxes_xyxy.tolist(), strict=True
            )
        ]


def no_detections() -> Detections:
    """Return the detections of an empty frame."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
