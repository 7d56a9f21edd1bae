"""What a detector found in one frame."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import BackendError
from edgessd.util.extras import need


@dataclass(frozen=True)
class Detections:
    """N boxes of one frame, best score first.

    boxes_xyxy: (N, 4) float32, pixels of the frame, continuous edges. scores: (N,) float32 in 0..1.
    classes: (N,) int64, index into the card's labels. nonfinite: candidates left out because the network gave NaN or
    infinity for them. ids: (N,) int64, the track of each box, -1 for none (yet); None where nothing was tracked.
    predicted: the boxes are where a tracker expects them, the frame was not looked at. faint: boxes below the
    threshold, for a tracker; None where ``PostProcess.faint`` asked for none.
    A mask or indices choose rows:

        sure = found[found.scores >= 0.6]
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    nonfinite: int = 0
    ids: NDArray[np.int64] | None = None
    predicted: bool = False
    faint: "Detections | None" = None

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Any) -> "Detections":
        """Return the rows that a mask or an array of indices chooses."""
        ids = None if self.ids is None else self.ids[chosen]
        return Detections(
            self.boxes_xyxy[chosen], self.scores[chosen], self.classes[chosen], ids=ids, predicted=self.predicted
        )

    def with_faint(self) -> tuple["Detections", NDArray[np.bool_]]:
        """Return all boxes, the faint ones last and no longer apart, and which are above their threshold, (N,)."""
        faint = self.faint if self.faint is not None else no_detections()
        joined = Detections(
            np.concatenate([self.boxes_xyxy, faint.boxes_xyxy]),
            np.concatenate([self.scores, faint.scores]),
            np.concatenate([self.classes, faint.classes]),
        )
        return joined, np.arange(len(joined)) < len(self)

    def to_supervision(self, labels: tuple[str, ...]) -> Any:
        """Return ``supervision.Detections`` with the field ``class_name``, and ``tracker_id`` where tracked.

        Raises MissingExtra without supervision.
        """
        supervision = need("supervision")
        names = np.array([labels[index] for index in self.classes.tolist()], dtype=object)
        return supervision.Detections(
            xyxy=self.boxes_xyxy,
            confidence=self.scores,
            class_id=self.classes,
            tracker_id=self.ids,
            data={"class_name": names},
        )

    def to_dataframe(self, labels: tuple[str, ...]) -> Any:
        """Return a pandas frame, a row a detection: label, score, x1, y1, x2, y2, and id where tracked.

        Raises MissingExtra without pandas.
        """
        left, top, right, bottom = self.boxes_xyxy.T
        names = [labels[index] for index in self.classes.tolist()]
        columns = {"label": names, "score": self.scores, "x1": left, "y1": top, "x2": right, "y2": bottom}
        columns |= {} if self.ids is None else {"id": self.ids}
        return need("pandas").DataFrame(columns)

    def as_json(self, labels: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return one ``{"label", "score", "box": [x1, y1, x2, y2]}`` a detection, pixels to 2 decimals.

        Where tracked also ``id``, None for a box without one (yet), and ``predicted`` where it is true.
        """
        rows: list[dict[str, Any]] = [
            {"label": labels[index], "score": round(score, 4), "box": [round(edge, 2) for edge in box]}
            for index, score, box in zip(
                self.classes.tolist(), self.scores.tolist(), self.boxes_xyxy.tolist(), strict=True
            )
        ]
        if self.ids is not None:
            for row, track in zip(rows, self.ids.tolist(), strict=True):
                row["id"] = track if track > 0 else None
        if self.predicted:
            for row in rows:
                row["predicted"] = True
        return rows


def no_detections(nonfinite: int = 0) -> Detections:
    """Return the detections of an empty frame."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), nonfinite)


def refuse_nonfinite(detections: Detections) -> None:
    """Raise BackendError where the network gave NaN or infinity, for those who measure a model."""
    if detections.nonfinite:
        raise BackendError(
            f"the network gives NaN or infinity ({detections.nonfinite} candidates of one image)",
            fix="use another backend or precision, or train it again",
        )
