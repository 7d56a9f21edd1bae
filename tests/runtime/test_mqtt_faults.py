"""Brokers that hang, refuse or answer nonsense, and messages from strangers; the broker is mosquitto."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from results import LABELS, result, status
from servers.cameras import Remembered, broker, eventually, free_port

from edgessd.sinks.mqtt import Mqtt
from edgessd.streams import QueuedSink
from edgessd.streams.status import State

mqtt = pytest.importorskip("paho.mqtt.client")


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[socket.socket]]]:
    """Yield the port of a server that answers a connection and closes it, and its connections."""
    taken: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):  # the test is over
            while True:
                connection = listening.accept()[0]
                taken.append(connection)
                with connection, suppress(OSError):
                    connection.recv(4096)
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], taken
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "ends the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "ends the connection"),
        (b"\x20\x02\x00\x05", "refuses us (Not authorized)"),
    ],
)
def test_a_failing_connection_is_reported_once(answer: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    with answering(answer) as (port, taken):
        sink = Mqtt(LABELS, host="127.0.0.1", port=port, user="admin", password="geheim")
        assert eventually(lambda: len(taken) >= 3, 30)
        sink.close()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "edgessd.sinks.mqtt"]
    assert words in line
    assert "geheim" not in line


def test_a_broker_that_hangs_does_not_block(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()
    with broker(port, tmp_path) as running:
        sink = Mqtt(LABELS, host="127.0.0.1", port=port)
        assert eventually(lambda: "connected" in caplog.text, 60)
        os.kill(running.pid, signal.SIGSTOP)
        start = time.monotonic()
        sink.write(result(1))
        sink.report(status(State.LIVE))
        sink.close()
        assert time.monotonic() - start < 20
        assert "does not answer: its last frames and events are lost" in caplog.text


def test_a_flood_of_online_is_answered_once(tmp_path: Path) -> None:
    port = free_port()
    states: list[bytes] = []
    with broker(port, tmp_path):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: states.append(args[2].payload)
        client.connect("127.0.0.1", port)
        client.subscribe("home/door/state")
        client.loop_start()
        sink = Mqtt(LABELS, host="127.0.0.1", port=port, prefix="home", discovery="homeassistant")
        sink.report(status(State.LIVE))
        assert eventually(lambda: states, 10)
        states.clear()
        for _ in range(200):
            client.publish("homeassistant/status", b"online", qos=1)
        for odd in (b"", b"\xff\xfe", bytes(10 << 20)):
            client.publish("homeassistant/status", odd, qos=1)
        assert eventually(lambda: states, 10)
        sink.report(status(State.STALE))
        assert eventually(lambda: b"stale" in states[-1], 10)
        sink.close()
        client.loop_stop()
    assert len(states) < 10


def test_a_sink_reports_its_losses_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    sink = QueuedSink("full", Remembered(broken=True))
    for index in range(3):
        sink.put(result(index))
    sink.finish()
    sink.join(5)
    assert caplog.records[-1].getMessage() == "sink full: 3 failures, 0 results dropped in all"
