import csv
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import fill_up
from results import LABELS, result, status
from servers.cameras import Remembered, broker, eventually, free_port

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.sinks.images import SnapshotSink
from edgessd.sinks.line_file import LineFile
from edgessd.sinks.mqtt import Mqtt
from edgessd.sinks.records import CsvSink, JsonlSink
from edgessd.sinks.video_writer import open_writer
from edgessd.sinks.webhook import Webhook
from edgessd.sources.packets import count_frames
from edgessd.streams import QueuedSink
from edgessd.streams.status import State, Status
from edgessd.util.files import abandoned
from edgessd.util.names import topic_prefix


def test_a_full_queue_loses_the_oldest_and_no_state() -> None:
    slow = Remembered(pause=0.1)
    sink = QueuedSink("slow", slow, capacity=2)
    for index in range(20):
        sink.put(result(index))
    sink.put(status(State.STALE))
    sink.finish()
    sink.join(5)
    assert [each.frame.index for each in slow.results][-2:] == [18, 19]
    assert sink.dropped == 20 - len(slow.results)
    assert slow.states("door") == ["stale"]
    assert slow.closed.is_set()


def test_a_sink_may_take_some_streams_only_and_no_pixels() -> None:
    memory = Remembered(needs_image=False)
    sink = QueuedSink("some", memory, streams=("door",))
    sink.put(result(source="door"))
    sink.put(result(source="yard"))
    sink.put(status(State.LIVE, name="yard"))
    sink.finish()
    sink.join(5)
    assert [each.frame.source for each in memory.results] == ["door"]
    assert memory.results[0].frame.image.size == 0
    assert memory.statuses == []


def test_lines_rotate(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    lines = LineFile(path, max_bytes=30, keep=2, header="head")
    for index in range(20):
        lines.write(f"line {index:04d}")
    lines.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["o.csv", "o.csv.1", "o.csv.2"]
    assert path.read_text().splitlines() == ["head", "line 0018", "line 0019"]
    assert (tmp_path / "o.csv.1").read_text().splitlines() == ["head", "line 0016", "line 0017"]
    lines = LineFile(path, max_bytes=1000, keep=0, header="head")
    lines.write("after a restart")
    lines.close()
    assert path.read_text().splitlines()[-1] == "after a restart"
    assert path.read_text().count("head") == 1


def test_json_and_csv_records(tmp_path: Path) -> None:
    for kind, name in ((JsonlSink, "o.jsonl"), (CsvSink, "o.csv")):
        sink = kind(tmp_path / name, LABELS, max_bytes=10**6, keep=1)
        sink.write(result(3))
        sink.write(result(4, found=False))
        sink.report(status(State.STALE, "refused"))
        sink.close()
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row.get("frame") for row in rows] == [3, 4, None]
    assert rows[0]["detections"] == [{"label": "red", "score": 0.5, "box": [1, 2, 3, 4]}]
    assert (rows[2]["state"], rows[2]["reason"], rows[2]["last_frame_age_ms"]) == ("stale", "refused", 1500)
    with (tmp_path / "o.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["source"], row["frame"], row["label"], row["y2"]) for row in table] == [("door", "3", "red", "4.0")]
    assert table[0]["id"] == ""


def test_ids_stand_in_lines_of_both_forms(tmp_path: Path) -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.5], np.float32), np.array([1, 0]), ids=np.array([7, -1]))
    for kind, name in ((JsonlSink, "o.jsonl"), (CsvSink, "o.csv")):
        sink = kind(tmp_path / name, LABELS)
        sink.write(replace(result(3), detections=found))
        sink.close()
    row = json.loads((tmp_path / "o.jsonl").read_text())
    assert [each["id"] for each in row["detections"]] == [7, None]
    with (tmp_path / "o.csv").open() as file:
        assert [each["id"] for each in csv.DictReader(file)] == ["7", ""]


def test_a_table_with_other_columns_is_set_apart_and_lost_in_no_case(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("time,source\n1.0,door\n")
    sink = CsvSink(path, LABELS)
    sink.write(result(3))
    sink.close()
    assert (tmp_path / "o.csv.1").read_text() == "time,source\n1.0,door\n"
    assert path.read_text().startswith("time,source,frame,")


def test_snapshots_are_few_and_only_the_newest_stay(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path / "s", LABELS, interval=0.0001, keep=2)
    sink.write(result(0, found=False))
    for index in range(4):
        sink.write(result(index))
        time.sleep(0.003)
    assert len(list((tmp_path / "s").iterdir())) == 2
    rare = SnapshotSink(tmp_path / "r", LABELS, interval=100, keep=0)
    for index in range(4):
        rare.write(result(index))
    (only,) = (tmp_path / "r").iterdir()
    assert only.name.startswith("door_000001_20")
    assert cv2.imread(str(only)).shape == (48, 64, 3)
    with pytest.raises(InputError, match="does not exist"):
        SnapshotSink(tmp_path / "no" / "where", LABELS, interval=1, keep=1)


def test_a_clock_set_back_deletes_no_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("door_20261101-000000-000.jpg", "door_20261102-000000-000.jpg"):
        (tmp_path / name).write_bytes(b"an older version's")
    (tmp_path / "door_000001_20261103-000000-000.jpg").write_bytes(b"")  # what a power cut left
    (tmp_path / "door_2_20261103-000000-000.jpg").write_bytes(b"somebody else's")
    for clock in (1.8e9, 1e9, 1.5e9):  # 2027, 2001, 2017
        sink = SnapshotSink(tmp_path, LABELS, interval=0, keep=2)
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        sink.write(result(0))
        sink.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:16] for name in names] == ["door_000002_2001", "door_000003_2017", "door_2_20261103-"]


def test_snapshots_on_a_full_disk_are_whole_or_not_there(small_disk: Path) -> None:
    sink = SnapshotSink(small_disk, LABELS, interval=0, keep=0)
    sink.write(result(0))
    with pytest.raises(OSError, match="No space left"):
        fill_up(small_disk / "fill")
    with pytest.raises(InputError, match="No space left on device: free space"):
        sink.write(result(1, height=480, width=640, noise=True))
    whole, fill = sorted(path.name for path in small_disk.iterdir())
    assert (whole[:12], fill) == ("door_000001_", "fill")


def test_the_next_start_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    script = f"""
import os, time
from pathlib import Path
from edgessd.util.files import replacing
with replacing(Path({str(tmp_path / "o.jpg")!r})) as unfinished:
    unfinished.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(abandoned(tmp_path)) == 0  # it lives
        process.kill()
    assert len(abandoned(tmp_path)) == 1
    sink = SnapshotSink(tmp_path, LABELS, interval=0, keep=0)
    sink.write(result(0))
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["door_000001_"]


class Receiver(BaseHTTPRequestHandler):
    """Answers with the codes it was given, then 200."""

    answers: list[int]
    bodies: list[dict[str, object]]
    headers_seen: list[str | None]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Take one message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.answers.pop(0) if self.answers else 200
        if code == 200:
            self.bodies.append(json.loads(body))
            self.headers_seen.append(self.headers["Authorization"])
        self.send_response(code)
        self.end_headers()


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    kind = type("OneReceiver", (Receiver,), {"answers": [], "bodies": [], "headers_seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


def test_a_webhook_is_tried_again(receiver: tuple[type[Receiver], str]) -> None:
    kind, url = receiver
    kind.answers[:] = [503, 500]
    hook = Webhook(url, LABELS, headers={"Authorization": "Bearer x"}, interval=100)
    hook.write(result(0, found=False))
    hook.write(result(1))
    hook.write(result(2))  # too soon
    assert [body["frame"] for body in kind.bodies] == [1]
    assert kind.headers_seen == ["Bearer x"]
    hook.report(status(State.FAILED, "authentication"))
    assert kind.bodies[1]["reason"] == "authentication"


def test_a_webhook_that_is_refused_or_away(receiver: tuple[type[Receiver], str]) -> None:
    kind, url = receiver
    kind.answers[:] = [401]
    with pytest.raises(Exception, match="401"):
        Webhook(url + "?token=geheim", LABELS).report(status(State.LIVE))
    away = Webhook(f"http://user:geheim@127.0.0.1:{free_port()}/x?token=geheim", LABELS, attempts=2)
    with pytest.raises(Exception, match="did not take") as caught:
        away.report(status(State.LIVE))
    assert "geheim" not in str(caught.value)
    with pytest.raises(InputError, match="http") as caught:
        Webhook("ftp://user:geheim@h/x", LABELS)
    assert "geheim" not in str(caught.value)


class Board:
    """Streams and sinks as they are counted."""

    sinks = [QueuedSink("memory", Remembered())]  # noqa: RUF012 - made once

    def statuses(self) -> list[Status]:
        return [status(State.STALE, "refused")]


def test_prometheus() -> None:
    pytest.importorskip("prometheus_client")
    from edgessd.sinks.prometheus import Prometheus

    sink = Prometheus(LABELS, port=0)
    try:
        sink.watch(Board())
        sink.write(result(1))
        sink.write(result(2, found=False))
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        with pytest.raises(InputError, match="take another"):
            Prometheus(LABELS, port=sink.port)
    finally:
        sink.close()
    for line in (
        'edgessd_frame_age_seconds_count{stream="door"} 2.0',
        'edgessd_stage_seconds_count{stage="inference",stream="door"} 2.0',
        'edgessd_detections_total{label="red",stream="door"} 1.0',
        'edgessd_stream_dropped_total{stream="door"} 2.0',
        'edgessd_stream_reconnects_total{stream="door"} 1.0',
        'edgessd_stream_state{state="stale",stream="door"} 1.0',
        'edgessd_stream_state{state="live",stream="door"} 0.0',
        'edgessd_last_frame_age_seconds{stream="door"} 1.5',
        'edgessd_sink_dropped_total{sink="memory"} 0.0',
    ):
        assert line in lines


def test_prometheus_escapes_labels() -> None:
    pytest.importorskip("prometheus_client")
    from prometheus_client.parser import text_string_to_metric_families

    from edgessd.sinks.prometheus import Prometheus

    hostile = ('a"} 1\nevil{x="', "b\\", "\x1b[2J")
    sink = Prometheus(hostile, port=0)
    try:
        for index in range(len(hostile)):
            one = Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.array([index]))
            sink.write(replace(result(index), detections=one))
        with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as page:
            families = {family.name: family for family in text_string_to_metric_families(page.read().decode())}
    finally:
        sink.close()
    found = {
        sample.labels["label"] for sample in families["edgessd_detections"].samples if sample.name.endswith("total")
    }
    assert found == {'a"} 1\\nevil{x="', "b\\", "\\x1b[2J"}
    assert "evil" not in families


PREFIXES = ("a b", "häuser/küche", "a//b", "p" * 1000, "=1", "%s", "'", "../x")


@pytest.mark.parametrize(
    "prefix", ["a\x01", "a\tb", "a\x7f", "\x85", "\ud800", "\ufdd0", "$SYS", "a/", "/a", "+", "a/#", ""]
)
def test_mqtt_prefixes_that_brokers_refuse(prefix: str) -> None:
    with pytest.raises(InputError, match="MQTT prefix"):
        topic_prefix(prefix)


def test_mqtt_prefixes_that_a_broker_takes(tmp_path: Path) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    port, heard = free_port(), set()
    with broker(port, tmp_path):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: heard.add(args[2].topic)
        client.connect("127.0.0.1", port)
        client.subscribe("#", qos=1)
        client.loop_start()
        sinks = [Mqtt(LABELS, host="127.0.0.1", port=port, prefix=topic_prefix(prefix)) for prefix in PREFIXES]
        try:
            for sink in sinks:
                assert eventually(lambda sink=sink: not is_away(sink), 10)
            assert eventually(lambda: {f"{prefix}/door/detections" for prefix in PREFIXES} <= heard, 10)
        finally:
            for sink in sinks:
                sink.close()
            client.loop_stop()


def is_away(sink: Mqtt) -> bool:
    """Return whether a sink refuses a result since who takes it is away."""
    try:
        sink.write(result(2))
    except ConnectionError:
        return True
    return False


def test_mqtt_survives_its_broker(tmp_path: Path) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    port = free_port()
    heard: dict[str, list[str]] = {}

    def listen() -> object:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: heard.setdefault(args[2].topic, []).append(args[2].payload.decode())
        client.connect("127.0.0.1", port)
        client.subscribe("home/#", qos=1)
        client.loop_start()
        return client

    sink = Mqtt(LABELS, host="127.0.0.1", port=port, prefix="home")
    sink.report(status(State.LIVE))
    with pytest.raises(ConnectionError, match="away"):
        sink.write(result(0))
    listeners = []
    with broker(port, tmp_path):
        listeners.append(listen())
        assert eventually(lambda: heard.get("home/status") == ["online"], 10)
        sink.write(result(1))
        assert eventually(lambda: "home/door/detections" in heard, 5)
        assert json.loads(heard["home/door/detections"][0])["frame"] == 1
        assert json.loads(heard["home/door/state"][0])["state"] == "live"
    assert eventually(lambda: is_away(sink), 10)
    sink.report(status(State.STALE))
    heard.clear()
    with broker(port, tmp_path):
        listeners.append(listen())
        assert eventually(lambda: "home/door/state" in heard, 15)
        assert json.loads(heard["home/door/state"][-1])["state"] == "stale"
        sink.close()
        assert eventually(lambda: heard["home/status"][-1] == "offline", 5)
    for listener in listeners:
        listener.loop_stop()  # type: ignore[attr-defined]


def test_mqtt_last_will(tmp_path: Path) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    port = free_port()
    heard: list[str] = []
    script = (
        f"from edgessd.sinks.mqtt import Mqtt; import time; Mqtt(('a',), port={port}, host='127.0.0.1'); time.sleep(60)"
    )
    with broker(port, tmp_path):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: heard.append(args[2].payload.decode())
        client.connect("127.0.0.1", port)
        client.subscribe("edgessd/status", qos=1)
        client.loop_start()
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            assert eventually(lambda: heard == ["online"], 20)
            process.kill()
        assert eventually(lambda: heard == ["online", "offline"], 30)
        client.loop_stop()


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_with_a_colon_in_its_name(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a relative name: FFmpeg takes what stands before the colon for a protocol
    path = Path(f"10:15{suffix}")
    writer = open_writer(path, height=48, width=64, fps=10, encoder="libx264")
    for number in range(3):
        writer.write(np.full((48, 64, 3), number * 50, np.uint8), number / 10)
    writer.close(10)
    assert count_frames(path) == 3
