"""One stream's tracks with their trails, by hand; the stage that follows results."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from results import LABELS, result

from edgessd.errors import InputError
from edgessd.model.detections import Detections, no_detections
from edgessd.sources.frame import Skip
from edgessd.streams.result import Result
from edgessd.streams.track_stage import TrackStage
from edgessd.tracking import Line, TrackerSettings, Tracking, Zone
from edgessd.tracking.tracker import Tracker
from edgessd.tracking.watch import TRAIL_SECONDS, Watch

AT_ONCE = partial(Tracker, TrackerSettings(confirm_doubt=1))
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)), inertia=1)
MIDDLE = Line("middle", (0.5, 0.0), (0.5, 1.0), inertia=1)


def box(left: float) -> Detections:
    return Detections(np.array([[left, 10, left + 8, 30]], np.float32), np.array([0.9], np.float32), np.array([1]))


def frames(*lefts: float | None, step: float = 0.1) -> list[Result]:
    """Return results of a file, 64x48, a box of which the left edge is given in each frame that has one."""
    made = []
    for index, left in enumerate(lefts):
        one = result(index)
        found = no_detections() if left is None else box(left)
        made.append(replace(one, frame=replace(one.frame, media_time=index * step), detections=found))
    return made


def test_the_stage_gives_ids_trails_zones_and_lines() -> None:
    stage = TrackStage(Tracking((RIGHT,), (MIDDLE,), AT_ONCE), LABELS)
    last = [stage(each) for each in frames(10, 14, 18, 22, 26, 30, 34)][-1]
    assert last.detections.ids.tolist() == [1]
    assert last.tracks.occupancy == {"right": {"red": 1}}
    assert last.tracks.crossings == {"middle": {("out", "red"): 1}}  # from top to bottom the right is the frame's left
    trail = last.tracks.trails[1]
    assert len(trail) == 7
    assert trail[0] == pytest.approx((0.0, 14, 30))
    assert (np.diff(trail, axis=0)[:, :2] > 0).all()  # time and x


def test_a_trail_is_as_long_as_it_says_and_ends_with_its_track() -> None:
    watch = Watch(Tracking(tracker=AT_ONCE), LABELS)
    for index in range(60):
        _, tracks = watch.update(box(10), index * 0.1, index, height=48, width=64)
    assert len(tracks.trails[1]) == round(TRAIL_SECONDS / 0.1) + 1
    _, tracks = watch.update(no_detections(), 6.0, 60, height=48, width=64)
    assert tracks.trails == {}


def test_a_frame_between_moves_the_boxes_on_and_a_still_one_keeps_them() -> None:
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS)
    *seen, last, behind = frames(10, 14, 18, 22, 26, 30, 34)
    for each in seen:
        stage(each)
    between, still = (
        stage(replace(each, detections=no_detections(), frame=replace(each.frame, skip=skip)))
        for each, skip in ((last, Skip.BETWEEN), (behind, Skip.STILL))
    )
    assert between.detections.boxes_xyxy[0, 0] == pytest.approx(30, abs=1)
    assert still.detections.boxes_xyxy[0, 0] == pytest.approx(26, abs=1)
    assert between.detections.ids.tolist() == still.detections.ids.tolist() == [1]
    assert between.detections.predicted
    assert still.detections.predicted


def test_still_frames_end_no_track() -> None:
    watch = Watch(Tracking(tracker=AT_ONCE), LABELS)
    for index in range(4):
        watch.update(box(10), index * 0.1, index, height=48, width=64)
    for index in range(4, 100):
        found, _ = watch.skip(index * 0.1, still=True, height=48, width=64)
        assert found.ids.tolist() == [1]
    found, tracks = watch.update(box(10), 10.0, 100, height=48, width=64)
    assert found.ids.tolist() == [1]
    assert tracks.events == ()


def test_boxes_stay_inside_the_frame() -> None:
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS)
    for each in frames(30, 40, 50, 56, 56):
        left, _, right, _ = stage(each).detections.boxes_xyxy[0].tolist()
        assert 0 <= left < right <= 64


def test_a_file_that_begins_anew_starts_new_tracks() -> None:
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS)
    ids = [stage(each).detections.ids.tolist() for each in (*frames(10, 10, 10), *frames(10, 10))]
    assert ids == [[1], [1], [1], [2], [2]]


def test_frames_of_another_size_start_new_tracks() -> None:
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS)
    before, after = frames(10, 10)
    after = replace(after, frame=replace(after.frame, image=np.zeros((96, 128, 3), np.uint8)))
    assert [stage(each).detections.ids.tolist() for each in (before, after)] == [[1], [2]]


def test_a_zone_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(InputError, match="no class 'green'"):
        TrackStage(Tracking((replace(RIGHT, classes=("green",)),)), LABELS)


def test_the_next_stage_and_the_sinks_see_no_faint_box() -> None:
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS)
    first, second = frames(10, 10)
    stage(first)
    tracked = stage(replace(second, detections=replace(no_detections(), faint=box(50)))).detections
    assert len(tracked) == 0
    assert tracked.faint is None
