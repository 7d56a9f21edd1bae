"""Home Assistant's discovery and what it reads, field by field, through a real broker; its templates by Jinja."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from results import LABELS, ONE, result, status
from servers.cameras import broker, eventually, free_port

from edgessd import __version__
from edgessd.sinks.home_assistant import device_config, identifier
from edgessd.streams import QueuedSink
from edgessd.streams.event import Event
from edgessd.streams.status import State
from edgessd.tracking import Line, Tracks, Zone
from edgessd.tracking.events import TrackEvent

YARD = Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), ("red",))
ANY = Zone("any", YARD.polygon)
GATE = Line("gate", (0.0, 0.5), (1.0, 0.5), ("red",))
HERE = {"topic": "home/status"}
LIVE = {
    "topic": "home/door/state",
    "value_template": "{{ 'online' if value_json.state == 'live' else 'offline' }}",
}
TRACKS = Tracks(
    {}, (YARD, ANY), (GATE,), {"yard": {"red": 2}, "any": {"red": 2, "blue": 1}}, {"gate": {("in", "red"): 3}}
)
TOLD = TrackEvent("end", 4, "red", 10.0, 12.0, 13.0, (1.0, 2.0, 3.0, 4.0), 0.8, 7, (), ("yard",), (("gate", "in"),))


def by_name(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["name"]: entity for entity in config["components"].values()}


def test_the_payload_field_by_field() -> None:
    device, config = device_config("home", "door", LABELS, (YARD,), (GATE,))
    assert device == identifier("home", "door")
    assert set(config) == {"device", "origin", "components"}
    assert config["device"] == {
        "identifiers": [device], "name": "door", "manufacturer": "edgessd", "sw_version": __version__,
    }  # fmt: skip
    assert config["origin"] == {"name": "edgessd", "sw_version": __version__}
    entities = by_name(config)
    place = {
        "state_topic": "home/door/counts",
        "availability_mode": "all",
        "availability": [HERE, LIVE],
    }
    wanted = {
        "State": {
            "platform": "sensor",
            "device_class": "enum",
            "options": ["connecting", "live", "stale", "ended", "failed"],
            "state_topic": "home/door/state",
            "json_attributes_topic": "home/door/state",
            "value_template": "{{ value_json.state }}",
            "entity_category": "diagnostic",
            "availability": [HERE],
        },
        "Last snapshot": {
            "platform": "image",
            "image_topic": "home/door/snapshot",
            "content_type": "image/jpeg",
            "availability": [HERE],
        },
        "yard occupancy": {
            "platform": "binary_sensor",
            "device_class": "occupancy",
            "value_template": "{{ 'ON' if (value_json[\"zones\"][\"yard\"].values() | sum) > 0 else 'OFF' }}",
            **place,
        },
        "yard count": {
            "platform": "sensor",
            "state_class": "measurement",
            "value_template": '{{ (value_json["zones"]["yard"].values() | sum) }}',
            **place,
        },
        "yard red occupancy": {
            "platform": "binary_sensor",
            "device_class": "occupancy",
            "value_template": '{{ \'ON\' if value_json["zones"]["yard"].get("red", 0) > 0 else \'OFF\' }}',
            **place,
        },
        "yard red count": {
            "platform": "sensor",
            "state_class": "measurement",
            "value_template": '{{ value_json["zones"]["yard"].get("red", 0) }}',
            **place,
        },
        **{
            f"gate{label and ' ' + label} {way}": {
                "platform": "sensor",
                "state_class": "total_increasing",
                "value_template": f"{{{{ {value} }}}}",
                **place,
            }
            for way in ("in", "out")
            for label, value in (
                ("", f'(value_json["lines"]["gate"]["{way}"].values() | sum)'),
                ("red", f'value_json["lines"]["gate"]["{way}"].get("red", 0)'),
            )
        },
    }
    assert set(entities) == set(wanted)
    for name, fields in wanted.items():
        entity = entities[name]
        assert {key: value for key, value in entity.items() if key not in ("name", "unique_id")} == fields, name
        assert entity["unique_id"].startswith(f"{device}_")


def test_every_class_of_a_zone_that_takes_all_is_there_to_be_enabled() -> None:
    entities = by_name(device_config("home", "door", LABELS, (ANY,), ())[1])
    assert "enabled_by_default" not in entities["any count"]
    assert all(entities[f"any {label} count"]["enabled_by_default"] is False for label in LABELS)


def test_ids_are_different_and_of_letters_that_home_assistant_takes() -> None:
    zones = (YARD, replace(YARD, name="yard_red"), replace(YARD, name="yard.red"))
    config = device_config("home/cameras", "front.door", ("red", "traffic light"), zones, (GATE,))[1]
    ids = [entity["unique_id"] for entity in config["components"].values()]
    assert len(set(ids)) == len(ids) == 2 + 3 * 4 + 4
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for each in (*ids, *config["components"]))
    assert identifier("home", "a.b") != identifier("home", "a_b")


def test_templates_read_what_is_published() -> None:
    jinja = pytest.importorskip("jinja2")
    from edgessd.sinks.records import counts_as_json

    entities = by_name(device_config("home", "door", (*LABELS, 'a "quoted" one'), TRACKS.zones, TRACKS.lines)[1])
    counts = json.loads(json.dumps(counts_as_json(TRACKS)))

    def read(name: str) -> str:
        return str(jinja.Template(entities[name]["value_template"]).render(value_json=counts))

    names = ("yard count", "yard occupancy", "any count", "any blue count", 'any a "quoted" one occupancy', "gate in")
    assert [read(name) for name in names] == ["2", "ON", "3", "1", "OFF", "3"]
    assert [read(name) for name in ("gate red in", "gate red out", "gate out")] == ["3", "0", "0"]
    state = jinja.Template(LIVE["value_template"])
    assert [state.render(value_json={"state": each}) for each in ("live", "stale")] == ["online", "offline"]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[int, dict[str, list[bytes]], Any]]:
    """A broker, what a listener hears by topic, and the listener."""
    mqtt = pytest.importorskip("paho.mqtt.client")
    port = free_port()
    messages: dict[str, list[bytes]] = {}
    with broker(port, tmp_path):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: messages.setdefault(args[2].topic, []).append(args[2].payload)
        client.connect("127.0.0.1", port)
        client.subscribe("#", qos=1)
        client.loop_start()
        yield port, messages, client
        client.loop_stop()


def test_a_broker_hears_of_everything_and_again_when_home_assistant_starts(
    heard: tuple[int, dict[str, list[bytes]], Any],
) -> None:
    from edgessd.sinks.mqtt import Mqtt

    port, messages, client = heard
    device = identifier("home", "door")
    discovery = f"homeassistant/device/{device}/config"
    mqtt = Mqtt(LABELS, host="127.0.0.1", port=port, prefix="home", discovery="homeassistant")
    sink = QueuedSink("mqtt", mqtt)
    assert sink.needs_pictures
    sink.put(status(State.CONNECTING))
    assert eventually(lambda: discovery in messages, 10)  # also of a camera that never comes
    assert set(by_name(json.loads(messages[discovery][0]))) == {"State", "Last snapshot"}
    sink.put(replace(result(1), tracks=TRACKS))
    sink.put(replace(result(2), tracks=TRACKS))
    picture = np.full((20, 30, 3), 128, np.uint8)
    sink.put(Event("id4", "door", TOLD, 100.0, picture))
    assert eventually(lambda: len(messages.get("home/door/detections", [])) == 2, 5)
    assert "yard red count" in by_name(json.loads(messages[discovery][-1]))
    assert len(set(messages[discovery])) == 2  # QoS 1 may bring one twice
    (counts,) = messages["home/door/counts"]  # told when they change
    assert json.loads(counts) == {
        "zones": {"yard": {"red": 2}, "any": {"red": 2, "blue": 1}},
        "lines": {"gate": {"in": {"red": 3}, "out": {}}},
    }
    assert json.loads(messages["home/door/events"][0]) == {
        "source": "door", "event": "end", "id": "id4", "track": 4, "label": "red",
        "time": 113.0, "started": 110.0, "last_seen": 112.0, "box": [1, 2, 3, 4],
        "best_score": 0.8, "best_frame": 7, "zones": [], "entered": ["yard"],
        "crossings": [{"line": "gate", "direction": "in"}], "changes": [],
    }  # fmt: skip
    assert eventually(lambda: "home/door/snapshot" in messages, 5)
    snapshot = np.frombuffer(messages["home/door/snapshot"][0], np.uint8)
    assert cv2.imdecode(snapshot, cv2.IMREAD_COLOR).shape == picture.shape
    sink.put(status(State.STALE))
    assert eventually(lambda: len(messages["home/door/counts"]) == 2, 5)
    assert json.loads(messages["home/door/counts"][1])["zones"] == {"yard": {}, "any": {}}
    assert json.loads(messages["home/door/counts"][1])["lines"]["gate"]["in"] == {"red": 3}
    messages.clear()
    client.publish("homeassistant/status", "offline", qos=1)
    client.publish("homeassistant/status", "online", qos=1)
    topics = {discovery, "home/door/state", "home/door/counts", "home/door/snapshot"}
    assert eventually(lambda: topics <= messages.keys(), 5)
    assert all(len(set(messages[topic])) == 1 for topic in topics)
    sink.finish()
    sink.join(5)
    assert eventually(lambda: messages.get("home/status") == [b"offline"], 5)


def test_what_is_retained_is_there_for_who_comes_later(heard: tuple[int, dict[str, list[bytes]], Any]) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    from edgessd.sinks.mqtt import Mqtt

    port, messages, _ = heard
    sink = Mqtt(LABELS, host="127.0.0.1", port=port, prefix="home", discovery="homeassistant", snapshots=True)
    sink.report(status(State.LIVE))
    assert eventually(lambda: "home/door/state" in messages, 10)
    sink.write(replace(result(1), tracks=TRACKS, detections=ONE))
    sink.tell(Event("id4", "door", TOLD, 100.0, np.zeros((4, 4, 3), np.uint8)))
    assert eventually(lambda: "home/door/snapshot" in messages, 5)
    late: dict[str, bool] = {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_message = lambda *args: late.__setitem__(args[2].topic, args[2].retain)
    client.connect("127.0.0.1", port)
    client.subscribe("#", qos=1)
    client.loop_start()
    wanted = {f"homeassistant/device/{identifier('home', 'door')}/config", "home/status"}
    wanted |= {f"home/door/{each}" for each in ("state", "counts", "snapshot")}
    assert eventually(lambda: wanted <= late.keys(), 5)
    assert set(late) == wanted
    assert all(late.values())
    client.loop_stop()
    sink.close()


def test_without_discovery_home_assistant_hears_nothing(heard: tuple[int, dict[str, list[bytes]], Any]) -> None:
    from edgessd.sinks.mqtt import Mqtt

    port, messages, _ = heard
    sink = Mqtt(LABELS, host="127.0.0.1", port=port, prefix="home")
    sink.report(status(State.LIVE))
    assert eventually(lambda: "home/door/state" in messages, 10)
    sink.write(replace(result(1), tracks=TRACKS))
    sink.tell(Event("id4", "door", TOLD, 100.0, None))
    assert eventually(lambda: {"home/door/events", "home/door/counts"} <= messages.keys(), 5)
    assert not [topic for topic in messages if topic.startswith("homeassistant")]
    assert not sink.needs_pictures
    sink.close()
