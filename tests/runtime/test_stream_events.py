"""Events through the frame path: a track ends with its camera or its file, and no result pushes an event out."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from results import LABELS, result, status
from servers.cameras import Remembered, eventually, free_port, mjpeg_camera

from edgessd import Detector
from edgessd.sinks.event_store import EventStore
from edgessd.sinks.webhook import Webhook
from edgessd.streams import QueuedSink, Retry, Streams
from edgessd.streams.event import Event
from edgessd.streams.status import State
from edgessd.tracking import Line, Tracking, Tracks, Zone
from edgessd.tracking.events import TrackEvent
from edgessd.tracking.lines import Crossing
from edgessd.tracking.zones import ZoneChange

Edgessd = Callable[..., tuple[int, str, str]]
WHOLE = Zone("whole", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), inertia=1)
TOLD = TrackEvent(
    "update", 4, "red", 10.0, 12.0, 12.0, (1.0, 2.0, 3.0, 4.0), 0.8, 7, ("yard",), ("yard",), (("gate", "in"),),
    (ZoneChange("yard", "enter", 4, "red", 12.0), Crossing("gate", "in", 4, "red", 12.0)),
)  # fmt: skip


@dataclass
class Listening(Remembered):
    """A sink that keeps events too."""

    needs_pictures: bool = True
    events: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        """Keep one event."""
        time.sleep(self.pause)
        self.events.append(event)

    def kinds(self) -> list[str]:
        """Return what was told, in order."""
        return [event.told.kind for event in list(self.events)]


def test_tracks_of_a_camera_that_dies_end_and_begin_anew(tiny: Path) -> None:
    quick = Retry(stale_after=0.5, hang_after=1.0, first_retry=0.05, longest_retry=0.2, lasting_retry=0.5)
    sink, port = Listening(), free_port()
    with (
        Detector(tiny) as detector,
        Streams(detector, [QueuedSink("memory", sink, capacity=10_000)], retry=quick) as streams,
    ):
        with mjpeg_camera(port, "--blue", "--size", "64x48", "--fps", 15):
            streams.add("door", f"http://127.0.0.1:{port}/live", track=Tracking((WHOLE,)))
            assert eventually(lambda: sink.kinds()[:2] == ["start", "update"], 15)
        assert eventually(lambda: "end" in sink.kinds(), 5)
        ended = sink.kinds().index("end")
        first = sink.events[ended]
        assert (first.stream, first.told.entered, first.picture is not None) == ("door", ("whole",), True)
        with mjpeg_camera(port, "--blue", "--size", "64x48", "--fps", 15):
            assert eventually(lambda: "start" in sink.kinds()[ended:], 15)
            second = next(event for event in sink.events[ended:] if event.told.kind == "start")
            assert second.id != first.id
    assert sink.kinds()[-1] == "end"  # closing ends what is left
    assert sink.kinds().count("end") == sink.kinds().count("start")


def test_a_file_s_end_ends_its_tracks_and_no_event_is_missing_from_the_store(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path
) -> None:
    file, lines, database = tmp_path / "s.toml", tmp_path / "o.jsonl", tmp_path / "e.db"
    file.write_text(
        f'[model]\npath = "{tiny}"\n[run]\ntrack = true\n[[streams]]\nname = "door"\nsource = "{video}"\n'
        f'[[sinks]]\ntype = "jsonl"\npath = "{lines}"\n[[sinks]]\ntype = "events"\npath = "{database}"\n'
    )
    assert edgessd("run", file)[0] == 0
    told = [row for row in map(json.loads, lines.read_text().splitlines()) if "event" in row]
    assert [row["event"] for row in told] == ["start", "end"]
    (kept,) = EventStore(database).query()
    assert kept == told[-1] | {"started": kept["started"], "picture": True}
    assert kept["started"] == pytest.approx(told[0]["started"], abs=1e-3)


def test_a_sink_that_waits_for_events_needs_tracks(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    for sink in (
        f'type = "events"\npath = "{tmp_path / "e.db"}"',
        'type = "webhook"\nurl = "http://h/"\nonly_events = true',
    ):
        file.write_text(f'[[streams]]\nname = "door"\nsource = "{video}"\n[[sinks]]\n{sink}\n')
        code, _, err = edgessd("run", file, "--check")
        assert (code, "no stream of it is tracked: set track = true" in err) == (2, True)


def test_results_push_no_event_out() -> None:
    slow = Listening(pause=0.05)
    sink = QueuedSink("slow", slow, capacity=2)
    for index in range(30):
        sink.put(result(index))
        if index % 10 == 0:
            sink.put(Event(f"id{index}", "door", TOLD, 0.0))
    sink.finish()
    sink.join(10)
    assert [event.id for event in slow.events] == ["id0", "id10", "id20"]
    assert sink.dropped == 30 - len(slow.results)


def test_a_sink_without_pictures_gets_none(tiny: Path, video: Path) -> None:
    sink = Listening(needs_pictures=False)
    with Detector(tiny) as detector, Streams(detector, [QueuedSink("memory", sink)], track=True) as streams:
        streams.add("door", str(video))
        assert streams.wait(threading.Event(), timeout=20)
    assert [(event.told.kind, event.picture) for event in sink.events] == [("start", None), ("end", None)]


def test_prometheus_counts_tracks_zones_and_lines() -> None:
    pytest.importorskip("prometheus_client")
    from edgessd.sinks.prometheus import Prometheus

    def lines() -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as page:
            return list(page.read().decode().splitlines())

    sink = Prometheus(LABELS, port=0)
    place = '{label="red",stream="door",zone="yard"}'
    try:
        sink.tell(Event("id4", "door", replace(TOLD, kind="start", changes=()), 0.0))
        sink.tell(Event("id4", "door", TOLD, 0.0))
        sink.write(replace(result(1), tracks=Tracks({}, occupancy={"yard": {"red": 2}})))
        assert {
            'edgessd_tracks_total{label="red",stream="door"} 1.0',
            'edgessd_zone_changes_total{change="enter",label="red",stream="door",zone="yard"} 1.0',
            'edgessd_line_crossings_total{direction="in",label="red",line="gate",stream="door"} 1.0',
            f"edgessd_zone_occupancy{place} 2.0",
        } <= set(lines())
        sink.write(replace(result(2), tracks=Tracks({}, occupancy={"yard": {}})))
        assert f"edgessd_zone_occupancy{place} 0.0" in lines()
        sink.write(replace(result(3), tracks=Tracks({}, occupancy={"yard": {"red": 1}})))
        sink.report(status(State.STALE))
        assert f"edgessd_zone_occupancy{place} 0.0" in lines()
    finally:
        sink.close()


def test_a_webhook_is_told_events_alone_where_it_wants_no_more() -> None:
    taken: list[dict[str, object]] = []

    class Taking(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for only in (False, True):
            sink = Webhook(f"http://127.0.0.1:{server.server_port}/", LABELS, only_events=only)
            sink.write(result(1))
            sink.tell(Event("id4", "door", TOLD, 0.0))
    finally:
        server.shutdown()
        server.server_close()
    assert ["event" in each for each in taken] == [False, True, True]
    assert taken[-1]["changes"] == [{"zone": "yard", "change": "enter"}, {"line": "gate", "direction": "in"}]


def test_a_line_of_a_stream_is_an_api_away(tiny: Path, video: Path) -> None:
    """Iterating, without sinks: events are on the result."""
    with Detector(tiny) as detector, Streams(detector) as streams:
        streams.add("door", str(video), track=Tracking((WHOLE,), (Line("gate", (0.0, 0.5), (1.0, 0.5)),)))
        results = list(streams)
    kinds = [event.kind for each in results for event in each.tracks.events]
    assert kinds == ["start", "update"]
    assert results[-1].tracks.occupancy == {"whole": {"blue": 1}}
    assert results[-1].tracks.crossings == {"gate": {}}
