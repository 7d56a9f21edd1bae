"""The tracker on two MOT15 sequences, judged by TrackEval; zones and lines on their truth and on detections."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mot_judge import FPS, as_detections, frames_of, judge

from edgessd.model.detections import Detections
from edgessd.tracking.lines import Line, LineMonitor
from edgessd.tracking.tracker import Tracker
from edgessd.tracking.zones import Zone, ZoneMonitor

MOT = Path(__file__).parents[2].parent / "shared" / "data" / "mot"
pytestmark = pytest.mark.skipif(not MOT.is_dir(), reason="needs the shared test data")
HEIGHT, WIDTH = 480, 640
MIDDLE = Zone("middle", ((0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)), loiter=2.0)
CENTRE = Line("centre", (0.5, 1.0), (0.5, 0.0))  # walked upwards: "in" goes from left to right
BY_HAND = {"enter": 6, "leave": 2, "loiter": 5, "in": 1, "out": 1}


@pytest.mark.parametrize(
    ("sequence", "step", "hota", "mota"),
    [
        ("TUD-Campus", 1, 53, 60.2),
        ("TUD-Stadtmitte", 1, 54, 70.5),
        ("TUD-Campus", 4, 50, 57),
        ("TUD-Stadtmitte", 4, 54, 70.5),
    ],
)
def test_the_defaults_track_as_well_as_measured(sequence: str, step: int, hota: float, mota: float) -> None:
    pytest.importorskip("trackeval")
    truth, detected = frames_of(MOT / sequence / "gt.txt"), frames_of(MOT / sequence / "det.txt")
    tracker, wanted, given = Tracker(), [], []
    for frame in range(0, len(truth), step):
        tracked = tracker.update(as_detections(detected[frame]), frame / FPS)
        assert tracked.ids is not None
        tracked = tracked[tracked.ids > 0]
        assert tracked.ids is not None
        wanted.append((truth[frame][:, 0].astype(np.int64), truth[frame][:, 1:5]))
        given.append((tracked.ids, tracked.boxes_xyxy.astype(np.float64)))
    figures = judge(wanted, given)
    assert figures["HOTA"] >= hota, figures
    assert figures["MOTA"] >= mota, figures


def true_tracks() -> Iterator[tuple[Detections, frozenset[int]]]:
    for rows in frames_of(MOT / "TUD-Stadtmitte" / "gt.txt"):
        boxes, ids = rows[:, 1:5].astype(np.float32), rows[:, 0].astype(np.int64)
        yield (
            Detections(boxes, np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64), ids=ids),
            frozenset(range(1, 11)),
        )


def our_tracks() -> Iterator[tuple[Detections, frozenset[int]]]:
    tracker = Tracker()
    for frame, rows in enumerate(frames_of(MOT / "TUD-Stadtmitte" / "det.txt")):
        tracked = tracker.update(as_detections(rows), frame / FPS)
        yield tracked, tracker.alive


def counts(frames: Iterator[tuple[Detections, frozenset[int]]]) -> Counter[str]:
    zone, line, told = ZoneMonitor(MIDDLE, ("person",)), LineMonitor(CENTRE, ("person",)), Counter[str]()
    for frame, (tracked, alive) in enumerate(frames):
        told.update(change.change for change in zone.update(tracked, alive, frame / FPS, HEIGHT, WIDTH))
        told.update(crossing.direction for crossing in line.update(tracked, alive, frame / FPS, HEIGHT, WIDTH))
    return told


def test_zone_and_line_on_the_truth() -> None:
    assert counts(true_tracks()) == BY_HAND


def test_zone_and_line_on_detections_are_within_one() -> None:
    told = counts(our_tracks())
    assert all(abs(told[change] - number) <= 1 for change, number in BY_HAND.items()), told
