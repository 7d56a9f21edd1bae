"""Ids, births and deaths in tables small enough to follow by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgessd.errors import InputError
from edgessd.model.detections import Detections, no_detections
from edgessd.tracking.tracker import Tracker, TrackerSettings


def found(*rows: tuple[float, float, int]) -> Detections:
    """Return boxes 40 wide and 80 high at y 100 by (left edge, score, class)."""
    table = np.array(rows, dtype=float).reshape(-1, 3)
    left, top = table[:, 0], np.full(len(table), 100.0)
    boxes = np.stack([left, top, left + 40, top + 80], axis=1).astype(np.float32)
    return Detections(boxes, table[:, 1].astype(np.float32), table[:, 2].astype(np.int64))


AT_ONCE = TrackerSettings(confirm_doubt=1)


def ids(tracked: Detections) -> list[int]:
    assert tracked.ids is not None
    return tracked.ids.tolist()


def test_ids_stay_with_their_boxes_whatever_the_order() -> None:
    tracker = Tracker(AT_ONCE)
    assert ids(tracker.update(found((0, 0.9, 0), (300, 0.8, 0)), 0.0)) == [1, 2]
    assert ids(tracker.update(found((304, 0.9, 0), (4, 0.8, 0)), 0.04)) == [2, 1]


def test_a_faint_box_keeps_a_track_alive_and_starts_none() -> None:
    tracker = Tracker(AT_ONCE)
    tracker.update(found((0, 0.9, 0)), 0.0)
    faint = replace(found((300, 0.6, 0)), faint=found((2, 0.8, 0), (500, 0.4, 0)))
    tracked = tracker.update(faint, 0.04)
    assert ids(tracked) == [1, 2]  # the best first, though another class's threshold would be higher
    assert tracked.scores.tolist() == pytest.approx([0.8, 0.6])
    assert tracked.faint is None
    tracker.update(no_detections(), 0.08)
    assert ids(tracker.update(replace(no_detections(), faint=found((2, 0.4, 0))), 0.12)) == []  # unseen before
    assert ids(tracker.update(found((2, 0.6, 0)), 0.16)) == [1]


def test_a_faint_box_confirms_no_track() -> None:
    tracker = Tracker()
    assert ids(tracker.update(found((0, 0.7, 0)), 0.0)) == [-1]
    assert ids(tracker.update(replace(no_detections(), faint=found((0, 0.4, 0))), 0.04)) == []
    assert ids(tracker.update(found((0, 0.7, 0)), 0.08)) == [-1]
    assert ids(tracker.update(found((0, 0.7, 0)), 0.12)) == [1]


def test_no_track_starts_below_the_birth_score() -> None:
    tracker = Tracker(TrackerSettings(birth_score=0.8, confirm_doubt=1))
    assert ids(tracker.update(found((0, 0.9, 0), (300, 0.7, 0)), 0.0)) == [1, -1]


def test_forgotten_tracks_leave_their_ids_and_their_time() -> None:
    tracker = Tracker(AT_ONCE)
    tracker.update(found((0, 0.9, 0)), 5.0)
    tracker.forget()
    assert tracker.alive == frozenset()
    assert ids(tracker.update(found((0, 0.9, 0)), 0.0)) == [2]


def test_the_second_buffer_catches_what_does_not_overlap() -> None:
    jump = found((50, 0.9, 0))  # 10 pixels beyond the box of the track, which stands still
    for buffers, expected in (((0.0, 0.3), 1), ((0.0, 0.0), 2)):
        tracker = Tracker(TrackerSettings(buffers=buffers, least_overlap=0.1, confirm_doubt=1))
        tracker.update(found((0, 0.9, 0)), 0.0)
        assert ids(tracker.update(jump, 0.04)) == [expected]


def test_a_class_is_not_taken_for_another() -> None:
    tracker = Tracker(AT_ONCE)
    tracker.update(found((0, 0.9, 0)), 0.0)
    assert ids(tracker.update(found((0, 0.9, 1)), 0.04)) == [2]


def test_a_track_dies_by_seconds_not_by_frames() -> None:
    few, many = Tracker(AT_ONCE), Tracker(AT_ONCE)
    for tracker in (few, many):
        tracker.update(found((0, 0.9, 0)), 0.0)
    for frame in range(1, 90):
        many.update(no_detections(), frame / 100)
    assert many.alive == few.alive == {1}
    assert ids(few.update(found((0, 0.9, 0)), 0.9)) == ids(many.update(found((0, 0.9, 0)), 0.9)) == [1]
    assert ids(few.update(found((0, 0.9, 0)), 5.0)) == [2]
    assert few.alive == {2}


def test_at_a_frame_a_second_and_a_half_tracks_live_for_three_frames() -> None:
    tracker = Tracker(AT_ONCE)
    assert [ids(tracker.update(found((0, 0.9, 0)), 1.5 * frame)) for frame in range(4)] == [[1]] * 4
    tracker.update(no_detections(), 6.0)
    assert ids(tracker.update(found((0, 0.9, 0)), 7.5)) == [1]
    assert ids(tracker.update(found((0, 0.9, 0)), 20.0)) == [2]  # one long pause makes no slow camera


@pytest.mark.parametrize(("score", "frames"), [(0.9, 1), (0.89, 2), (0.7, 2), (0.55, 3), (0.4, 5), (0.0, None)])
def test_a_sure_box_is_a_track_at_once_and_weak_ones_after_frames_in_a_row(score: float, frames: int | None) -> None:
    """At most 0.1: 1 - 0.9, 0.11 * 0.11, 0.3 * 0.3, 0.45 * 0.45 * 0.45 = 0.091, and 0.6 to the power of 5 = 0.078."""
    tracker = Tracker()
    given = [ids(tracker.update(found((0, score, 0)), frame * 0.04)) for frame in range(6)]
    assert given == [[-1 if frames is None or frame + 1 < frames else 1] for frame in range(6)]


def test_a_weak_box_alone_is_forgotten() -> None:
    tracker = Tracker(TrackerSettings(confirm_doubt=0.1))
    assert ids(tracker.update(found((0, 0.7, 0)), 0.0)) == [-1]
    tracker.update(no_detections(), 0.04)
    assert ids(tracker.update(found((0, 0.7, 0)), 0.08)) == [-1]
    assert ids(tracker.update(found((0, 0.7, 0)), 0.12)) == [1]


def test_speed_is_learnt_in_seconds_over_uneven_times() -> None:
    """100 pixels a second; half a second unseen is 50 pixels, more than the box is wide."""
    tracker = Tracker(AT_ONCE)
    times = [0.0, 0.04, 0.12, 0.16, 0.28, 0.32, 0.44, 0.48, 0.6]
    for seconds in times:
        tracker.update(found((100 * seconds, 0.9, 0)), seconds)
    before = tracker.predict(1.1)
    assert before.boxes_xyxy[0].tolist() == pytest.approx([110, 100, 150, 180], abs=2)
    assert ids(before) == [1]
    assert before.predicted
    assert tracker.predict(1.1).boxes_xyxy.tolist() == before.boxes_xyxy.tolist()  # asking changes nothing
    assert ids(tracker.update(found((110, 0.9, 0)), 1.1)) == [1]


def test_nothing_is_predicted_of_what_was_not_seen_last() -> None:
    tracker = Tracker(AT_ONCE)
    assert len(tracker.predict(0.0)) == 0
    tracker.update(found((0, 0.9, 0)), 0.0)
    tracker.update(no_detections(), 0.04)
    assert len(tracker.predict(0.08)) == 0
    assert tracker.alive == {1}


def test_times_and_rules_that_mean_nothing_are_refused() -> None:
    tracker = Tracker(AT_ONCE)
    tracker.update(found((0, 0.9, 0)), 1.0)
    for seconds in (0.9, float("nan"), float("inf")):
        with pytest.raises(InputError, match="time"):
            tracker.update(no_detections(), seconds)
    with pytest.raises(InputError, match="0 to 1"):
        TrackerSettings(birth_score=1.4)
    for doubt in (0, 1.1):
        with pytest.raises(InputError, match="confirm_doubt"):
            TrackerSettings(confirm_doubt=doubt)
    with pytest.raises(InputError, match="0 s"):
        TrackerSettings(lost_seconds=0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 600), st.floats(0, 1), st.integers(0, 1)), max_size=6), max_size=12))
def test_rows_stay_in_place_and_no_id_is_given_twice_in_a_frame(frames: list[list[tuple[int, float, int]]]) -> None:
    tracker = Tracker(AT_ONCE)
    for frame, rows in enumerate(frames):
        given_boxes = found(*rows)
        tracked = tracker.update(given_boxes, frame / 10)
        assert tracked.scores.tolist() == given_boxes.scores.tolist()
        assert np.isfinite(tracked.boxes_xyxy).all()
        named = [track for track in ids(tracked) if track > 0]
        assert len(named) == len(set(named))
        assert set(named) <= tracker.alive


def test_ids_go_with_chosen_rows() -> None:
    tracked = Tracker(AT_ONCE).update(found((0, 0.9, 0), (300, 0.8, 0)), 0.0)
    assert ids(tracked[tracked.scores < 0.85]) == [2]
