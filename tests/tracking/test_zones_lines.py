"""Zones and lines against tables counted by hand, in a frame twice as wide as high."""

import numpy as np
import pytest

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.tracking.events import EventLog
from edgessd.tracking.lines import Line, LineMonitor
from edgessd.tracking.regions import bottom_centres, inside, side
from edgessd.tracking.zones import Zone, ZoneMonitor

HEIGHT, WIDTH = 100, 200
LABELS = ("person", "dog")
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
DOWN_THE_MIDDLE = ((0.5, 0.0), (0.5, 1.0))  # from top to bottom: its right is the frame's left


def standing(*places: tuple[int, float, float, int]) -> Detections:
    """Return boxes 10 wide and 20 high by (id, x, y of the bottom centre in pixels, class)."""
    rows = np.array(places, dtype=float).reshape(-1, 4)
    x, y = rows[:, 1], rows[:, 2]
    boxes = np.stack([x - 5, y - 20, x + 5, y], axis=1).astype(np.float32)
    return Detections(boxes, np.full(len(rows), 0.9, np.float32), rows[:, 3].astype(int), ids=rows[:, 0].astype(int))


def walk(monitor: ZoneMonitor | LineMonitor, xs: list[float | None], y: float = 50, index: int = 0) -> list[str]:
    """Return what one track makes of a monitor, a frame a tenth of a second; None is a frame it is unseen in."""
    told = []
    for frame, x in enumerate(xs):
        tracked = standing() if x is None else standing((1, x, y, index))
        for change in monitor.update(tracked, frozenset({1}), frame / 10, HEIGHT, WIDTH):
            word = getattr(change, "change", None) or getattr(change, "direction", None)
            told.append(f"{frame} {word}")
    return told


def test_bottom_centre_is_a_fraction_of_width_and_of_height() -> None:
    assert bottom_centres(standing((1, 50, 80, 0)).boxes_xyxy, HEIGHT, WIDTH).tolist() == [[0.25, 0.8]]


def test_inside_a_concave_polygon_and_on_its_border() -> None:
    notch = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.0, 1.0))
    points = np.array([[0.5, 0.4], [0.5, 0.9], [0.1, 0.8], [0.0, 0.5], [0.5, 0.5]])
    assert inside(points, notch).tolist() == [True, False, True, True, True]


def test_side_is_the_right_hand_of_who_walks_from_start_to_end() -> None:
    assert side((0.5, 0.9), (0.0, 0.5), (1.0, 0.5)) == 1  # walks right: below is on the right
    assert side((0.5, 0.1), (0.0, 0.5), (1.0, 0.5)) == -1
    assert side((0.3, 0.5), (0.0, 0.5), (1.0, 0.5)) == 0


def test_zone_tells_each_change_once_after_three_frames() -> None:
    monitor = ZoneMonitor(Zone("yard", LEFT_HALF), LABELS)
    assert walk(monitor, [150, 90, 80, 70, 60, 110, 120, 130, 140]) == ["3 enter", "7 leave"]
    assert monitor.occupancy == {}


def test_zone_ignores_a_box_that_trembles_over_its_edge() -> None:
    monitor = ZoneMonitor(Zone("yard", LEFT_HALF), LABELS)
    assert walk(monitor, [98, 102, 98, 102, 98, 102, 98, 98]) == []


def test_zone_keeps_who_is_unseen_and_forgets_who_ended() -> None:
    monitor = ZoneMonitor(Zone("yard", LEFT_HALF, inertia=1), LABELS)
    assert walk(monitor, [50, None, None]) == ["0 enter"]
    assert monitor.occupancy == {"person": 1}
    assert monitor.update(standing(), frozenset(), 1.0, HEIGHT, WIDTH) == []
    assert monitor.occupancy == {}


def test_loitering_is_told_once_a_stay_from_its_first_frame() -> None:
    monitor = ZoneMonitor(Zone("yard", LEFT_HALF, inertia=2, loiter=0.3), LABELS)
    xs: list[float | None] = [50, 50, 50, 50, 50, 150, 150, 50, 50, 50, 50]
    assert walk(monitor, xs) == ["1 enter", "3 loiter", "6 leave", "8 enter", "10 loiter"]


def test_occupancy_counts_only_the_classes_of_the_zone() -> None:
    monitor = ZoneMonitor(Zone("yard", LEFT_HALF, classes=("dog",), inertia=1), LABELS)
    tracked = standing((1, 50, 50, 0), (2, 60, 50, 1), (3, 70, 50, 1), (-1, 80, 50, 1))
    monitor.update(tracked, frozenset({1, 2, 3}), 0.0, HEIGHT, WIDTH)
    assert monitor.occupancy == {"dog": 2}


def test_line_tells_in_and_out_once_and_not_a_trembling_box() -> None:
    monitor = LineMonitor(Line("door", *DOWN_THE_MIDDLE), LABELS)
    xs: list[float | None] = [120, 110, 90, 110, 90, 80, 70, 60, 110, 120, 130, 100]
    assert walk(monitor, xs) == ["6 in", "10 out"]
    assert monitor.counts == {("in", "person"): 1, ("out", "person"): 1}


def test_line_is_crossed_within_its_ends_only_and_also_unseen() -> None:
    short = Line("door", (0.5, 0.6), (0.5, 1.0), inertia=1)
    assert walk(LineMonitor(short, LABELS), [120, 80], y=50) == []
    assert walk(LineMonitor(short, LABELS), [120, None, 80], y=70) == ["2 in"]


@pytest.mark.parametrize(
    ("polygon", "words"),
    [
        (((0.0, 0.0), (1.0, 1.0)), "at least 3 points"),
        (((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)), "cross"),
        (((0.0, 0.0), (320.0, 0.0), (1.0, 1.0)), "fractions"),
        (((0.0, 0.0), (float("nan"), 0.0), (1.0, 1.0)), "fractions"),
        (((0.0, 0.0), (0.5, 0.0), (1.0, 0.0)), "lie on each other"),
        (((0.0, 0.0), (1.0, 0.0), (0.0, 0.0), (0.0, 1.0)), "lie on each other"),
        (((0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), "follows itself"),
    ],
)
def test_polygons_that_mean_nothing_are_refused(polygon: tuple[tuple[float, float], ...], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        Zone("yard", polygon)
    assert refused.value.fix


def test_lines_and_numbers_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="two points"):
        Line("door", (0.5, 0.5), (0.5, 0.5))
    with pytest.raises(InputError, match="inertia"):
        Zone("yard", LEFT_HALF, inertia=0)
    with pytest.raises(InputError, match="loiter"):
        Zone("yard", LEFT_HALF, loiter=0)
    with pytest.raises(InputError, match="'cat'"):
        LineMonitor(Line("door", *DOWN_THE_MIDDLE, classes=("cat",)), LABELS)


def test_events_tell_start_update_and_end_with_the_best_frame() -> None:
    zone, line = Zone("yard", LEFT_HALF, inertia=1), Line("door", *DOWN_THE_MIDDLE, inertia=1)
    log = EventLog(LABELS, (zone,), (line,))
    told = []
    for frame, (x, score) in enumerate([(150.0, 0.5), (90.0, 0.875), (80.0, 0.75)]):
        found = standing((7, x, 50, 0))
        found.scores[:] = score
        told += log.update(found, frozenset({7}), frame / 10, frame, HEIGHT, WIDTH)
    told += log.update(standing(), frozenset(), 1.3, 13, HEIGHT, WIDTH)
    assert [event.kind for event in told] == ["start", "update", "end"]
    assert told[1].as_json()["changes"] == [
        {"zone": "yard", "change": "enter"},
        {"line": "door", "direction": "in"},
    ]
    assert told[2].as_json() == {
        "kind": "end",
        "track": 7,
        "label": "person",
        "started": 0.0,
        "last_seen": 0.2,
        "seconds": 1.3,
        "box": [75.0, 30.0, 85.0, 50.0],
        "best_score": 0.875,
        "best_frame": 1,
        "zones": ["yard"],
        "entered": ["yard"],
        "crossings": [{"line": "door", "direction": "in"}],
        "changes": [],
    }
    assert log.finish(2.0) == []


def test_somebody_who_stands_on_a_line_does_not_cross_it_again_and_again() -> None:
    """Boxes are 20 high: within a pixel of the line they are on neither side."""
    monitor = LineMonitor(Line("door", *DOWN_THE_MIDDLE, inertia=1), LABELS)
    assert walk(monitor, [90, 99.5, 100.5, 99.5, 100.6, 99.4, 100.5, 110]) == ["7 out"]


def test_somebody_who_stands_on_a_zone_s_border_does_not_enter_again_and_again() -> None:
    """Boxes are 20 high: within a pixel of the border nothing changes; a stay begins with its first frame inside."""
    monitor = ZoneMonitor(Zone("hall", LEFT_HALF, inertia=2, loiter=0.5), LABELS)
    xs = [110, 99.5, 100.5, 99.4, 99.5, 95, 94, 99.5, 100.5, 100.4, 99.5, 100.4, 103, 104]
    assert walk(monitor, xs) == ["6 enter", "8 loiter", "13 leave"]  # inside since frame 3, 0.3 s


def test_the_frame_s_own_edge_is_no_border() -> None:
    monitor = ZoneMonitor(Zone("hall", LEFT_HALF, inertia=1), LABELS)
    assert walk(monitor, [5, 5], y=HEIGHT) == ["0 enter"]  # it stands on the lower edge of frame and zone


def test_a_small_zone_has_an_inside_for_large_boxes() -> None:
    tile = ((0.5, 0.5), (0.52, 0.5), (0.52, 0.52), (0.5, 0.52))  # 4 by 2 pixels, boxes are 20 high
    assert walk(ZoneMonitor(Zone("tile", tile, inertia=1), LABELS), [102, 102], y=51) == ["0 enter"]
