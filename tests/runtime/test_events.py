"""Events of tracks: told once, with their picture, kept whole whatever kills the process."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import fill_up
from results import LABELS, result

from edgessd.errors import InputError
from edgessd.model.detections import Detections, no_detections
from edgessd.sinks.event_store import EventStore, StoreFault
from edgessd.streams.event import Event, picture_of
from edgessd.streams.track_stage import TrackStage
from edgessd.tracking import Line, TrackerSettings, Tracking, Zone
from edgessd.tracking.events import TrackEvent
from edgessd.tracking.tracker import Tracker

PICTURE = np.random.RandomState(0).randint(0, 256, (40, 30, 3)).astype(np.uint8)
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)), inertia=1)
MIDDLE = Line("middle", (0.5, 0.0), (0.5, 1.0), inertia=1)

AT_ONCE = partial(Tracker, TrackerSettings(confirm_doubt=1))


def event(
    number: int,
    *,
    kind: str = "end",
    started: float = 1000.0,
    stream: str = "door",
    label: str = "person",
    entered: tuple[str, ...] = (),
    picture: bool = False,
) -> Event:
    told = TrackEvent(
        kind,
        number,
        label,
        started,
        started + 2,
        started + 3,
        (1.0, 2.0, 3.0, 4.0),
        0.9,
        7,
        (),
        entered,
        (("l", "in"),),
    )
    return Event(f"id{number}", stream, told, 0.0, PICTURE if picture else None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with closing(EventStore(tmp_path / "e.db")) as opened:
        yield opened


def numbers(rows: list[dict[str, object]]) -> list[object]:
    return [row["track"] for row in rows]


def test_the_last_word_on_a_track_is_what_is_kept(store: EventStore) -> None:
    store.add(event(1, kind="start"))
    store.add(event(1, kind="update", entered=("yard",)))
    (row,) = store.query()
    assert (row["event"], row["entered"], row["picture"]) == ("update", ["yard"], False)
    store.add(event(1, entered=("yard",), picture=True))
    (row,) = store.query()
    assert row == event(1, entered=("yard",)).as_json() | {"picture": True}
    jpeg = store.picture("id1")
    assert jpeg is not None
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == PICTURE.shape
    assert store.picture("nobody") is None


def test_every_filter_and_the_next_page(store: EventStore) -> None:
    for number in range(8):
        store.add(
            event(
                number,
                started=1000.0 + number // 2,  # two start in the same moment
                stream=("door", "yard")[number % 2],
                label=("person", "car", "dog", "dog")[number % 4],
                entered=(("a", "b") if number in (2, 3) else ("a",) if number == 6 else ()),
            )
        )
    assert numbers(store.query()) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert numbers(store.query(stream="door")) == [6, 4, 2, 0]
    assert numbers(store.query(label="dog")) == [7, 6, 3, 2]
    assert numbers(store.query(zone="a")) == [6, 3, 2]
    assert numbers(store.query(stream="door", label="dog", zone="a")) == [6, 2]
    assert numbers(store.query(zone="b", stream="door")) == [2]
    assert numbers(store.query(since=1002.0)) == [7, 6, 5, 4]
    assert numbers(store.query(since=1001.0, before=1003.0)) == [5, 4, 3, 2]
    assert store.query(label="cat") == store.query(zone="c") == []
    assert store.choices() == {"stream": ["door", "yard"], "label": ["car", "dog", "person"], "zone": ["a", "b"]}
    seen: list[object] = []
    before = None
    while page := store.query(limit=3, before=before):
        seen += numbers(page)
        before = page[-1]["started"]
    assert seen == [7, 6, 5, 4, 3, 2, 1, 0]


def test_an_empty_store_has_no_choices(store: EventStore) -> None:
    assert (store.query(), store.choices()) == ([], {"stream": [], "label": [], "zone": []})


def test_what_is_too_old_goes_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    with closing(EventStore(tmp_path / "e.db", keep_seconds=100)) as store:
        for number in range(450):
            stream = "gone" if number == 0 else "door"
            store.add(event(number, started=float(number), stream=stream, picture=number % 10 == 0, entered=("a",)))
        assert store.choices()["stream"] == ["door"]  # nothing to choose that has no event left
        kept = numbers(store.query(limit=1000))
        assert kept[0] == 449
        assert 100 <= len(kept) < 400  # purged at the 401st
        assert numbers(store.query(zone="a", limit=1000)) == kept
    with closing(sqlite3.connect(tmp_path / "e.db")) as database:
        assert (
            database.execute("SELECT count(*) FROM pictures WHERE key NOT IN (SELECT key FROM events)").fetchone()[0]
            == 0
        )
        assert (
            database.execute("SELECT count(*) FROM filed WHERE key NOT IN (SELECT key FROM events)").fetchone()[0] == 0
        )


def test_what_is_too_much_goes_and_the_file_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "e.db"
    with closing(EventStore(path, keep_bytes=1_500_000)) as store:
        for number in range(3000):
            store.add(event(number, started=float(number), picture=True))
        kept = numbers(store.query(limit=10_000))
    assert kept[0] == 2999
    assert 100 < len(kept) < 1000
    assert path.stat().st_size < 3_000_000


def test_after_a_clock_set_back_the_first_to_come_is_the_first_to_go(tmp_path: Path) -> None:
    """A board without a battery starts in 1970; its events are its newest all the same."""
    with closing(EventStore(tmp_path / "e.db", keep_bytes=400_000)) as store:
        for number in range(400):
            store.add(event(number, started=2e9 + number, picture=True))
        for number in range(400, 800):
            store.add(event(number, started=1000.0 + number, picture=True))
        kept = {row["track"] for row in store.query(limit=1000)}
    assert kept
    assert kept == set(range(800 - len(kept), 800))


def test_what_was_told_before_the_clock_was_right_does_not_count_as_old(tmp_path: Path) -> None:
    with closing(EventStore(tmp_path / "e.db", keep_seconds=100)) as store:
        store.add(event(1, started=2e9))
        store.add(event(2, started=5.0))
        for number in range(3, 403):
            store.add(event(number, started=2e9 + 50))
        assert {1, 2} <= {row["track"] for row in store.query(limit=1000)}


def test_a_database_of_before_is_read_on(tmp_path: Path) -> None:
    with closing(EventStore(tmp_path / "e.db")) as store:
        store.add(event(1))
    with closing(sqlite3.connect(tmp_path / "e.db")) as database:
        database.execute("DROP TABLE arrivals")
    with closing(EventStore(tmp_path / "e.db", keep_seconds=100)) as store:
        store.add(event(2, started=5000.0))
        assert numbers(store.query()) == [2]


def test_another_programs_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE places(url TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreFault, match="not one of events"):
        EventStore(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("body", ["", "[]", "[" * 50_000, "null", '{"a": NaN}', b"\xff", 5, None])
def test_a_damaged_row_is_one_line(tmp_path: Path, body: object) -> None:
    with closing(EventStore(tmp_path / "e.db")) as store:
        store.add(event(1, kind="start", picture=True))
        store.add(event(2))
        with closing(sqlite3.connect(tmp_path / "e.db")) as database, database:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute("UPDATE events SET body = ifnull(?, 'null') WHERE id = 'id1'", (body,))
            database.execute("UPDATE pictures SET jpeg = 1000000000000")
        for act in (store.query, store.end_open):
            with pytest.raises(StoreFault) as caught:
                act()
            assert "\n" not in str(caught.value)
        assert store.picture("id1") is None
        assert store.query(since=0.0, before=1.0) == []


def test_what_a_killed_process_left_open_is_ended(store: EventStore) -> None:
    store.add(event(1, kind="start"))
    store.add(event(2, kind="update", started=1001.0))
    store.add(event(3, started=1002.0))
    store.end_open()
    assert [row["event"] for row in store.query()] == ["end", "end", "end"]
    assert store.query()[-1]["last_seen"] == 1002.0


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "e.db").write_text("no database, but long enough to be taken for one by who does not look" * 20)
    with pytest.raises(StoreFault, match="not a database"):
        EventStore(tmp_path / "e.db")
    with pytest.raises(InputError):
        EventStore(tmp_path / "absent" / "e.db")


def add_many(store: EventStore) -> None:
    for number in range(2, 3000):
        store.add(event(number, started=1000.0 + number, entered=("new",), picture=True))


def test_a_full_disk_loses_what_it_has_no_room_for_and_no_more(small_disk: Path) -> None:
    with closing(EventStore(small_disk / "e.db")) as store:
        store.add(event(1, picture=True))
        with pytest.raises(OSError, match="space"):
            fill_up(small_disk / "rest")
        with pytest.raises(StoreFault, match="full"):
            add_many(store)
        kept = numbers(store.query(limit=10_000))
        assert kept[-1] == 1
        (small_disk / "rest").unlink()
        store.add(event(5000, started=9000.0, entered=("new",), picture=True))
        assert numbers(store.query(zone="new", limit=1)) == [5000]
        assert numbers(store.query(limit=10_000)) == [5000, *kept]
    with closing(sqlite3.connect(small_disk / "e.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_killed_two_hundred_times_no_event_is_half_written_and_none_told_is_lost(tmp_path: Path) -> None:
    """A child adds events and says so after each; it is killed in the midst of it, 200 times on the same file."""
    path = tmp_path / "e.db"
    told: list[str] = []
    chance = np.random.RandomState(1)
    for turn in range(200):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            with closing(EventStore(path)) as store:
                store.end_open()
                for number in range(turn * 10_000, (turn + 1) * 10_000):
                    for kind in ("start", "end"):
                        store.add(event(number, kind=kind, started=float(number), entered=("a",), picture=True))
                        os.write(writing, f"id{number} {kind}\n".encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as lines:
            first = lines.readline()  # it works now
            time.sleep(chance.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            told += [line.strip() for line in (first, *lines) if line.endswith("\n")]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        kept = {
            id: (json.loads(body), jpeg)
            for id, body, jpeg in database.execute("SELECT id, body, jpeg FROM events LEFT JOIN pictures USING(key)")
        }
        filed = database.execute("SELECT count(*) FROM filed GROUP BY key").fetchall()
    assert len(told) > 400
    last = {line.split()[0]: line.split()[1] for line in told}
    assert last.keys() <= kept.keys()
    assert all(kept[id][0]["event"] == "end" for id, kind in last.items() if kind == "end")
    assert all(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) is not None for _, jpeg in kept.values())
    assert filed == [(8,)] * len(kept)


def test_a_picture_is_cut_out_with_a_margin_and_bounded() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert picture_of(image, (50.0, 20.0, 90.0, 60.0)).shape == (53, 53, 3)
    assert picture_of(image, (-10.0, 90.0, 0.0, 120.0)).shape[0] >= 1  # at the corner, nearly outside
    large = np.zeros((2160, 3840, 3), np.uint8)
    assert picture_of(large, (0.0, 0.0, 3840.0, 2160.0)).shape == (270, 480, 3)
    part = picture_of(image, (0.0, 0.0, 10.0, 10.0))
    part[:] = 255
    assert not image.any()  # a copy


def box(left: float, score: float = 0.9) -> Detections:
    return Detections(np.array([[left, 10, left + 8, 30]], np.float32), np.array([score], np.float32), np.array([1]))


def test_a_walk_is_told_once_in_wall_clock_time_with_its_best_picture() -> None:
    told: list[Event] = []
    tracking = Tracking((RIGHT,), (MIDDLE,), AT_ONCE)
    stage = TrackStage(tracking, LABELS, tell=told.append, pictures=True)
    began = time.time()
    for index, left in enumerate((10, 14, 18, 22, 26, 30, 34, 38)):
        one = result(index)  # a frame's grey is its index * 7
        score = 0.95 if index == 3 else 0.8
        stage(replace(one, frame=replace(one.frame, media_time=index * 0.1), detections=box(left, score)))
    stage.finish()
    assert [each.told.kind for each in told] == ["start", "update", "end"]
    assert len({each.id for each in told}) == 1
    start, update, end = (each.as_json() for each in told)
    assert [set(change.values()) for change in update["changes"]] == [{"right", "enter"}, {"middle", "out"}]
    assert (end["entered"], end["crossings"]) == (["right"], [{"line": "middle", "direction": "out"}])
    assert end["source"] == "door"
    assert end["label"] == "red"
    assert end["best_score"] == pytest.approx(0.95)
    assert end["started"] == start["started"] == pytest.approx(began, abs=2)
    assert end["last_seen"] - end["started"] == pytest.approx(0.7, abs=2e-3)
    assert told[-1].picture is not None
    assert (told[-1].picture == 21).all()
    stage.finish()
    assert len(told) == 3


def test_a_track_that_is_gone_ends_by_itself() -> None:
    told: list[Event] = []
    stage = TrackStage(Tracking(tracker=AT_ONCE), LABELS, tell=told.append)
    for index, found in enumerate((box(10), *[no_detections()] * 4)):
        one = result(index)
        stage(replace(one, frame=replace(one.frame, media_time=index * 0.5), detections=found))
    assert [each.told.kind for each in told] == ["start", "end"]
    assert told[-1].picture is None


def test_another_tracker_takes_the_place_of_ours() -> None:
    class Everything(Tracker):
        """Whatever is seen is track 7."""

        alive = frozenset({7})

        def update(self, detections: Detections, seconds: float) -> Detections:
            return replace(detections, ids=np.full(len(detections), 7))

    told: list[Event] = []
    stage = TrackStage(Tracking(tracker=Everything), LABELS, tell=told.append)
    stage(replace(result(0), detections=box(10)))
    assert [each.told.track for each in told] == [7]
