"""Events on the live page: what it lists by which filter, and their pictures."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from results import LABELS

from edgessd.sinks.event_store import EventStore
from edgessd.streams.event import Event
from edgessd.tracking.events import TrackEvent

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from edgessd.view import View, ViewSettings

BOX = (1.0, 2.0, 3.0, 4.0)


def event(number: int, *, stream: str = "door", label: str = "blue", entered: tuple[str, ...] = ()) -> Event:
    started = 1000.0 + number
    told = TrackEvent("end", number, label, started, started + 2, started + 3, BOX, 0.9, 7, (), entered, (("l", "in"),))
    return Event(f"id{number}", stream, told, 0.0, np.full((40, 30, 3), number, np.uint8) if number % 2 else None)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    store = EventStore(tmp_path / "events.db")
    for number in range(30):
        stream, label = ("door", "yard")[number % 3 == 0], LABELS[number % 5 == 0]
        store.add(event(number, stream=stream, label=label, entered=("gate",) if number % 7 == 0 else ()))
    shown = View(ViewSettings(port=0), LABELS, ["door", "yard"], events=store)
    yield shown
    shown.close()


def get(view: View, path: str, **query: object) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", view.port, timeout=20)
    connection.request("GET", f"{path}?{urlencode(query)}")
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def tracks(view: View, **query: object) -> list[int]:
    code, content = get(view, "/api/events", **query)
    assert code == 200, content
    return [row["track"] for row in json.loads(content)["events"]]


def test_the_newest_first_and_earlier_pages(view: View) -> None:
    assert tracks(view) == list(range(29, 5, -1))
    assert tracks(view, before=1006) == [5, 4, 3, 2, 1, 0]
    assert tracks(view, limit=2, before=1006) == [5, 4]
    assert tracks(view, limit=100_000) == list(range(29, -1, -1))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"camera": "yard", "since": 1020}, [27, 24, 21]),
        ({"label": "red"}, [25, 20, 15, 10, 5, 0]),
        ({"zone": "gate"}, [28, 21, 14, 7, 0]),
        ({"zone": "gate", "camera": "door", "label": "blue", "since": 1010}, [28, 14]),
        ({"camera": "nowhere"}, []),
        ({"camera": "' OR 1=1 --"}, []),
    ],
)
def test_every_filter(view: View, query: dict[str, object], expected: list[int]) -> None:
    assert tracks(view, **query) == expected


def test_what_there_is_to_choose(view: View) -> None:
    choices = json.loads(get(view, "/api/events")[1])["choices"]
    assert choices == {"stream": ["door", "yard"], "label": ["blue", "red"], "zone": ["gate"]}


@pytest.mark.parametrize("text", ["x", "nan", "inf", "1e300"])
def test_what_is_no_number(view: View, text: str) -> None:
    assert get(view, "/api/events", since=text)[0] == 400


def test_a_picture(view: View) -> None:
    code, content = get(view, "/event.jpg", id="id5")
    assert code == 200
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (40, 30, 3)
    assert get(view, "/event.jpg", id="id4")[0] == 404
    assert get(view, "/event.jpg", id="../events.db")[0] == 404


def test_a_database_that_is_gone_is_told(view: View, tmp_path: Path) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    code, content = get(view, "/api/events")
    assert code == 503
    assert "events.db" in json.loads(content)["error"]


def test_without_events_the_page_says_so() -> None:
    shown = View(ViewSettings(port=0), LABELS, ["door"])
    try:
        assert json.loads(get(shown, "/api/status")[1])["events"] is False
        assert get(shown, "/api/events")[0] == 404
    finally:
        shown.close()
