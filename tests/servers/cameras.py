"""The tests' cameras and broker as processes, and a sink that remembers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from edgessd.streams.result import Result
from edgessd.streams.status import Status

HERE = Path(__file__).parent
_GSTREAMER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
_GSTREAMER += "Gst.init(None); assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"


def free_port() -> int:
    """Return a TCP port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(*command: object, ready: str | None = "ready") -> Iterator[subprocess.Popen[str]]:
    """Yield a running program once it has said that it is ready; kill it at the end."""
    arguments = [str(argument) for argument in command]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        if ready is not None:
            assert running.stdout is not None
            assert running.stdout.readline().strip() == ready, arguments
        yield running
    finally:
        if running.poll() is None:
            os.kill(running.pid, signal.SIGCONT)
            running.kill()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()


def mjpeg_camera(port: int, *options: object) -> "contextmanager[subprocess.Popen[str]]":
    """Return http://127.0.0.1:PORT/live as a process in a with-block."""
    return process(sys.executable, HERE / "mjpeg_server.py", "--port", port, *options)


def rtsp_camera(port: int, *options: object) -> "contextmanager[subprocess.Popen[str]]":
    """Return rtsp://127.0.0.1:PORT/live as a process in a with-block; skip the test where it cannot run."""
    python = _python_with_gstreamer()
    if python is None:
        pytest.skip("needs GStreamer's RTSP server: apt install gir1.2-gst-rtsp-server-1.0 python3-gi ...-plugins-ugly")
    return process(python, HERE / "rtsp_server.py", "--port", port, *options)


@cache
def _python_with_gstreamer() -> str | None:
    for python in (sys.executable, "/usr/bin/python3"):
        if shutil.which(python) and subprocess.run([python, "-c", _GSTREAMER], capture_output=True).returncode == 0:
            return python
    return None


@contextmanager
def broker(port: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield mosquitto listening on a port; skip the test where it is not installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("needs an MQTT broker: apt install mosquitto")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    with process(program, "-c", config, ready=None) as running:
        assert eventually(lambda: _listens(port), 10)
        yield running


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(condition: Callable[[], object], seconds: float) -> bool:
    """Return whether a condition came true within a bounded time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


@dataclass
class Remembered:
    """A sink that keeps what it is given; ``pause`` makes it slow, ``broken`` makes it fail."""

    needs_image: bool = True
    pause: float = 0.0
    broken: bool = False
    results: list[Result] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def write(self, result: Result) -> None:
        """Keep one result."""
        time.sleep(self.pause)
        if self.broken:
            raise OSError("the disk is gone")
        self.arrived.append(time.monotonic())
        self.results.append(result)

    def report(self, status: Status) -> None:
        """Keep one state."""
        self.statuses.append(status)

    def close(self) -> None:
        """Remember it."""
        self.closed.set()

    def of(self, name: str) -> list[Result]:
        """Return the results of one stream."""
        return [result for result in list(self.results) if result.frame.source == name]

    def states(self, name: str) -> list[str]:
        """Return the states of one stream in their order, repeated ones once."""
        told = [str(status.state) for status in self.statuses if status.name == name]
        return [state for index, state in enumerate(told) if index == 0 or state != told[index - 1]]
