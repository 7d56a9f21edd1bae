"""The live page: what it sends, to whom, and what it costs."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import cv2
import numpy as np
import pytest
from results import LABELS, result, status
from servers.cameras import eventually, free_port, mjpeg_camera

from edgessd.errors import InputError
from edgessd.streams.status import State, Status

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from edgessd.view import View, ViewSettings

Edgessd = Callable[..., tuple[int, str, str]]


class Board:
    """Knows how the streams are."""

    def __init__(self, *statuses: Status) -> None:
        self.sinks: tuple[()] = ()
        self._statuses = list(statuses)

    def statuses(self) -> list[Status]:
        return self._statuses


@pytest.fixture
def view() -> Iterator[View]:
    shown = View(ViewSettings(port=0, max_watchers=3), LABELS, ["door", "yard"])
    yield shown
    shown.close()


def get(view: View, path: str) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection("127.0.0.1", view.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


class Watcher:
    """A browser's connection to a live picture, byte by byte."""

    def __init__(self, view: View, camera: str = "door", *, buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", view.port))
        self.socket.sendall(f"GET /live.mjpeg?camera={camera} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.read = b""

    def until(self, end: bytes) -> bytes:
        while end not in self.read:
            received = self.socket.recv(65536)
            assert received, self.read[-200:]
            self.read += received
        found, self.read = self.read.split(end, 1)
        return found

    def picture(self) -> np.ndarray:
        self.until(b"\xff\xd8\xff")
        content = b"\xff\xd8\xff" + self.until(b"\xff\xd9\r\n--frame\r\n") + b"\xff\xd9"
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def grey(image: np.ndarray) -> int:
    return round(float(np.median(image)) / 7)


def test_each_picture_is_sent_with_the_next_header(view: View) -> None:
    watcher = Watcher(view)
    view.write(result(3, found=False))
    assert grey(watcher.picture()) == 3
    watcher.until(b"Content-Type: image/jpeg\r\n\r\n")  # without a second frame
    view.write(result(4, found=False))
    assert grey(watcher.picture()) == 4


def test_nobody_watching_costs_nothing(view: View) -> None:
    for index in range(50):
        view.write(result(index))
    get(view, "/api/status")
    assert view.cameras["door"].encoded == 0
    watcher = Watcher(view)
    watcher.picture()
    assert view.cameras["door"].encoded == 1
    watcher.socket.close()
    assert eventually(lambda: json.loads(get(view, "/api/status")[2])["watchers"] == 0, 10)
    view.write(result(51))
    view.write(result(52))
    assert view.cameras["door"].encoded == 1


def test_all_watchers_share_one_picture(view: View) -> None:
    watchers = [Watcher(view) for _ in range(3)]
    for index in range(5):
        view.write(result(index, found=False))
        assert [grey(watcher.picture()) for watcher in watchers] == [index] * 3
    assert view.cameras["door"].encoded == 5


def test_who_does_not_read_costs_nothing_and_then_sees_the_newest(view: View) -> None:
    sleeper, awake = Watcher(view, buffer=4096), Watcher(view)
    for index in range(200):
        view.write(result(index, found=False, noise=True, height=240, width=320))
        awake.picture()
    assert view.cameras["door"].encoded <= 200
    sleeper_saw = 0
    view.write(result(9, found=False))
    while grey(sleeper.picture()) != 9:
        sleeper_saw += 1
    assert sleeper_saw < 100  # what the two systems hold between them


def test_too_many_watchers_are_told(view: View) -> None:
    watchers = [Watcher(view) for _ in range(3)]
    for watcher in watchers:
        watcher.until(b"image/jpeg\r\n\r\n")
    code, headers, _ = get(view, "/live.mjpeg?camera=door")
    assert (code, headers["retry-after"]) == (503, "10")
    watchers[0].socket.close()
    assert eventually(lambda: json.loads(get(view, "/api/status")[2])["watchers"] == 2, 10)


def test_boxes_are_drawn_and_wide_frames_shrunk(view: View) -> None:
    view.write(result(0, found=True, height=900, width=1600))
    code, headers, content = get(view, "/still.jpg?camera=door")
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert (code, headers["content-type"], picture.shape) == (200, "image/jpeg", (720, 1280, 3))
    assert picture.max() > 150
    plain = cv2.imdecode(np.frombuffer(get(view, "/still.jpg?camera=door&plain=1")[2], np.uint8), cv2.IMREAD_COLOR)
    assert plain.max() < 20
    assert get(view, "/still.jpg?camera=yard")[0] == 404
    assert get(view, "/still.jpg?camera=nowhere")[0] == 404
    assert get(view, "/live.mjpeg?camera=nowhere")[0] == 404


def test_the_status_of_every_stream(view: View) -> None:
    view.write(result(0))
    view.watch(Board(status(State.STALE, "refused"), status(State.LIVE, name="yard")))
    told = json.loads(get(view, "/api/status")[2])
    door, yard = told["cameras"]
    assert (door["name"], door["state"], door["reason"], door["last_frame_age"]) == ("door", "stale", "refused", 1.5)
    assert (door["dropped"], door["found"], yard["state"], yard["found"]) == (2, 1, "live", 0)


def test_every_file_of_the_page_is_there(view: View) -> None:
    code, headers, page = get(view, "/")
    assert (code, headers["content-type"]) == (200, "text/html; charset=utf-8")
    text = page.decode()
    for path in re.findall(r'(?:src|href)="(/page/[^"]+)"', text):
        code, headers, content = get(view, path)
        assert code == 200, path
        assert content
        for module in re.findall(r'from "\./([^"]+)"', content.decode()):
            assert get(view, f"/page/{module}")[0] == 200, module
    assert not re.search(r"https?://(?!www\.w3\.org)", text)  # nothing from elsewhere
    assert not re.search(r"<script>|<style| style=| on\w+=", text)  # the Content-Security-Policy forbids it


def test_closing_sends_watchers_away_at_once() -> None:
    view = View(ViewSettings(port=0), LABELS, ["door"])
    watcher = Watcher(view)
    view.write(result(0))
    watcher.picture()
    before = threading.active_count()
    view.close()
    watcher.socket.settimeout(5)
    while watcher.socket.recv(65536):
        pass
    assert eventually(lambda: threading.active_count() < before, 5)
    view.close()


def test_a_port_in_use(view: View) -> None:
    with pytest.raises(InputError, match="cannot be served on"):
        View(ViewSettings(port=view.port), LABELS, ["door"])


def test_detect_and_run_show_it(tiny: Path, tmp_path: Path) -> None:
    camera, port, config = free_port(), free_port(), tmp_path / "c.toml"
    url = f"http://admin:geheim@127.0.0.1:{camera}/live"
    config.write_text(
        f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "{url}"\n[view]\nport = {port}\ntitle = "Home"\n'
    )
    words = ["detect", url, "-m", str(tiny), "--view-at", f"127.0.0.1:{port}"], ["run", str(config)]
    for command in words:
        with mjpeg_camera(camera, "--fps", 30):
            process = subprocess.Popen([sys.executable, "-m", "edgessd", *command], stderr=subprocess.DEVNULL)
            try:
                assert eventually(lambda: _cameras(port) and _cameras(port)[0]["state"] == "live", 60)
                name = _cameras(port)[0]["name"]
                assert "geheim" not in name
                connection = HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("GET", "/live.mjpeg?camera=" + name.replace("/", "%2F").replace(":", "%3A"))
                assert connection.getresponse().read(20000).count(b"--frame") > 3
                connection.close()
            finally:
                process.terminate()
                assert process.wait(20) in (0, 130)


def _cameras(port: int) -> list[dict[str, object]]:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/api/status")
        found = json.loads(connection.getresponse().read())["cameras"]
        connection.close()
    except OSError:
        time.sleep(0.1)
        return []
    return list(found)


def test_check_names_the_page_and_a_missing_variable(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    start = f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "{video}"\n[view]\n'
    path.write_text(f"{start}port = 8100\n")
    code, out, err = edgessd("run", path, "--check")
    assert (code, "view: http://127.0.0.1:8100/" in out) == (0, True), err
    path.write_text(f'{start}password_env = "NO_SUCH_VARIABLE"\n')
    for words in (["run", path, "--check"], ["run", path]):
        code, _, err = edgessd(*words)
        assert (code, "export NO_SUCH_VARIABLE=..." in err) == (2, True)
