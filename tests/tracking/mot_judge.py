"""TrackEval as the judge of our tracker: HOTA, MOTA, IDF1 and identity switches of one sequence, in percent."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou
from edgessd.model.detections import Detections

FPS = 25.0
Frame = tuple[NDArray[np.int64], NDArray[np.float64]]  # ids (N,), boxes_xyxy (N, 4)


def frames_of(path: Path) -> list[NDArray[np.float64]]:
    """Return the rows of a MOT file by frame: id, x1, y1, x2, y2, score."""
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    left_top, size = table[:, 2:4], table[:, 4:6]
    rows = np.column_stack([table[:, 1], left_top, left_top + size, table[:, 6]])
    return [rows[table[:, 0] == frame] for frame in range(1, int(table[:, 0].max()) + 1)]


def as_detections(rows: NDArray[np.float64]) -> Detections:
    """Return one class of detections, best score first."""
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    boxes_xyxy, scores = rows[:, 1:5].astype(np.float32), rows[:, 5].astype(np.float32)
    return Detections(boxes_xyxy, scores, np.zeros(len(rows), np.int64))


def judge(truth: list[Frame], tracked: list[Frame]) -> dict[str, float]:
    """Return HOTA, MOTA, IDF1 and switches of tracks against the truth, frame by frame."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    truth_ids, n_truth = _dense(truth)
    tracked_ids, n_tracked = _dense(tracked)
    data = {
        "num_timesteps": len(truth),
        "num_gt_ids": n_truth,
        "num_tracker_ids": n_tracked,
        "num_gt_dets": sum(map(len, truth_ids)),
        "num_tracker_dets": sum(map(len, tracked_ids)),
        "gt_ids": truth_ids,
        "tracker_ids": tracked_ids,
        "similarity_scores": [iou(a[1], b[1]) for a, b in zip(truth, tracked, strict=True)],
    }
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    return {
        "HOTA": 100 * float(np.mean(HOTA().eval_sequence(data)["HOTA"])),
        "MOTA": 100 * float(clear["MOTA"]),
        "IDF1": 100 * float(identity["IDF1"]),
        "switches": float(clear["IDSW"]),
    }


def _dense(frames: list[Frame]) -> tuple[list[NDArray[np.int64]], int]:
    known: dict[int, int] = {}
    dense = [np.array([known.setdefault(int(i), len(known)) for i in ids], np.int64) for ids, _ in frames]
    return dense, len(known)
