"""The live page and the database of events, mutated: requests get an answer that is no 500, files an error of one line.

A request is bytes on a connection of its own: its line, headers, cookie, form, query and JSON are all mutated.
"""

import logging
import random
import shutil
import socket
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from mutate_json import mutated_bytes, mutated_json
from mutate_tokens import mutated_tokens
from results import LABELS, result
from tally import CASES, SECRET, tally

from edgessd.sinks.event_store import EventStore
from edgessd.streams.event import Event
from edgessd.tracking.events import TrackEvent
from edgessd.view.settings import ViewSettings

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
ZONE = {
    "camera": "door", "kind": "zone", "name": "yard", "points": [[0, 0], [1, 0], [1, 1]], "classes": ["red"],
    "inertia": 2, "loiter": 3.5, "write": True,
}  # fmt: skip
REQUESTS = (
    "GET / HTTP/1.1\r\n{head}Cookie: edgessd_1=abc; x=y\r\n\r\n",
    "GET /api/status HTTP/1.1\r\n{head}Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\n\r\n",
    "GET /api/events?camera=door&label=red&zone=yard&since=1&before=2e9&limit=24 HTTP/1.1\r\n{head}\r\n",
    "GET /event.jpg?id=id1&frame=7 HTTP/1.1\r\n{head}\r\n",
    "GET /still.jpg?camera=door&plain=1 HTTP/1.1\r\n{head}\r\n",
    "HEAD /live.mjpeg?camera=door HTTP/1.1\r\n{head}\r\n",
    "POST /login HTTP/1.1\r\n{head}Origin: http://{host}\r\nContent-Length: 15\r\n\r\npassword=" + SECRET,
    "POST /logout HTTP/1.1\r\n{head}Origin: http://{host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
REGION = "POST /api/regions HTTP/1.1\r\n{head}Origin: http://{host}\r\nContent-Length: {length}\r\n\r\n"


def event(number: int) -> Event:
    told = TrackEvent("end", number, "red", 1.0, 2.0, 3.0, (1.0, 2.0, 3.0, 4.0), 0.9, 7, (), ("yard",), ())
    return Event(f"id{number}", "door", told, 0.0, np.zeros((8, 8, 3), np.uint8))


def answer(port: int, request: bytes) -> bytes:
    """Return the answer to a request: until the server closes, or waits for the rest of what is no whole request."""
    pieces = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        suppress(ConnectionError, TimeoutError),
    ):
        connection.sendall(request)
        connection.settimeout(0.1)
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def mutated_request(rng: random.Random, host: str) -> bytes:
    if rng.random() < 0.4:
        body = mutated_json(ZONE, rng).encode(errors="surrogatepass")
        return REGION.format(host=host, head=f"Host: {host}\r\nConnection: close\r\n", length=len(body)).encode() + body
    request = rng.choice(REQUESTS).format(host=host, head=f"Host: {host}\r\nConnection: close\r\n")
    return mutated_tokens(request, rng) if rng.random() < 0.6 else mutated_bytes(request.encode(), rng)


def test_requests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from edgessd.view import View

    store = EventStore(tmp_path / "e.db")
    store.add(event(1))
    view = View(ViewSettings(port=0), LABELS, ["door"], events=store)
    view.write(result(0))
    host, statuses = f"127.0.0.1:{view.port}", set()
    caplog.set_level(logging.ERROR)
    try:
        with tally("requests to the live page") as counted:
            for seed in range(CASES):
                request = mutated_request(random.Random(seed), host)
                caplog.clear()
                with counted.case(seed):
                    said = answer(view.port, request)
                    statuses.add(said[9:12])
                    assert not said.startswith(b"HTTP/1.1 5") or said[9:12] == b"503"
                    assert not any(record.exc_info for record in caplog.records)
    finally:
        view.close()
    assert {b"200", b"404", b"403", b"421", b"422"} <= statuses


def test_databases_of_events(tmp_path: Path) -> None:
    with closing(EventStore(tmp_path / "whole.db")) as store:
        for number in range(20):
            store.add(event(number))
    content = (tmp_path / "whole.db").read_bytes()
    place = tmp_path / "e"
    with tally("databases of events") as counted:
        for seed in range(CASES):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            (place / "e.db").write_bytes(mutated_bytes(content, random.Random(seed)))
            with counted.case(seed), closing(EventStore(place / "e.db")) as store:
                store.end_open()
                store.add(event(100))
                store.choices()
                for row in store.query(limit=50):
                    store.picture(str(row.get("id")))
    assert counted.refused < CASES
