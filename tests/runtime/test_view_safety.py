"""Who is kept from the live page, and that nobody can make it or detection slow."""

import io
import logging
import socket
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

import pytest
from results import LABELS, result
from servers.cameras import eventually

from edgessd.errors import InputError
from edgessd.util.toml_table import from_table
from edgessd.view.password import hash_password, parse_hash
from edgessd.view.settings import ViewSettings

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from edgessd.view import View, connections

Edgessd = Callable[..., tuple[int, str, str]]
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def view(hashed: str) -> Iterator[View]:
    shown = View(ViewSettings(port=0, password_hash=hashed), LABELS, ["door"])
    shown.write(result(0))
    yield shown
    shown.close()


@pytest.fixture
def open_view() -> Iterator[View]:
    """Without a password, for this machine alone."""
    shown = View(ViewSettings(port=0), LABELS, ["door"])
    shown.write(result(0))
    yield shown
    shown.close()


def ask(view: View, method: str, path: str, body: str | None = None, **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", view.port, timeout=30)
    sent = {"Host": f"127.0.0.1:{view.port}", **{key.replace("_", "-"): value for key, value in headers.items()}}
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    content = answer.read() if not path.startswith("/live") or answer.status != 200 else b""
    connection.close()
    answer.fp = io.BytesIO(content)  # type: ignore[assignment]
    return answer


def log_in(view: View, password: str = PASSWORD) -> HTTPResponse:
    origin = f"http://127.0.0.1:{view.port}"
    return ask(view, "POST", "/login", urlencode({"password": password}), Origin=origin)


def test_the_password_opens_the_page(view: View) -> None:
    assert ask(view, "GET", "/").getheader("location") == "/login"
    for path in ("/api/status", "/live.mjpeg?camera=door", "/still.jpg?camera=door", "/page/main.js", "/nothing"):
        assert ask(view, "GET", path).status == 401, path
    for path in ("/login", "/page/style.css"):
        assert ask(view, "GET", path).status == 200
    answer = log_in(view)
    cookie = answer.getheader("set-cookie")
    assert (answer.status, answer.getheader("location")) == (303, "/")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    token = cookie.split(";")[0]
    for path in ("/", "/api/status", "/live.mjpeg?camera=door", "/still.jpg?camera=door", "/page/main.js"):
        assert ask(view, "GET", path, Cookie=token).status == 200, path
    assert ask(view, "GET", "/", Cookie=token[:-1]).status == 303
    assert ask(view, "GET", "/logout", Cookie=token).status == 405
    assert ask(view, "GET", "/", Cookie=token).status == 200  # looking changes nothing
    assert ask(view, "POST", "/logout", Cookie=token, Origin=f"http://127.0.0.1:{view.port}").status == 303
    assert ask(view, "GET", "/", Cookie=token).status == 303


def test_a_page_that_is_closed_at_once_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        View(ViewSettings(port=0), LABELS, ["door"]).close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "null", "", "://", "http://127.0.0.1:1]"])
def test_an_origin_that_is_none_is_refused(open_view: View, origin: str, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(open_view, "POST", "/api/regions", "{}", Origin=origin).status == 403
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_thousand_wrong_passwords(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are refused, few are hashed, who is logged in and detection notice nothing."""
    token = log_in(view).getheader("set-cookie").split(";")[0]
    codes = [log_in(view, f"wrong {number}") for number in range(1000)]
    assert {answer.status for answer in codes} == {303, 429}
    wrong = [answer for answer in codes if answer.status == 303]
    assert len(wrong) <= 10  # five a minute
    assert {answer.getheader("location") for answer in wrong} == {"/login#wrong"}
    assert all(answer.getheader("set-cookie") is None for answer in codes)
    assert log_in(view).status == 429  # the right one has to wait, too: nothing is learnt by trying
    assert ask(view, "GET", "/api/status", Cookie=token).status == 200
    began = time.monotonic()
    for index in range(1000):
        view.write(result(index))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1", 200),
        ("localhost:1234", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.1.9", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_foreign_hosts_are_refused(open_view: View, host: str, code: int) -> None:
    assert ask(open_view, "GET", "/api/status", Host=host).status == code


def test_names_of_a_page_that_others_reach(hashed: str) -> None:
    settings = ViewSettings(address="0.0.0.0", password_hash=hashed, hosts=("Cams.Example",))
    own = socket.gethostname()
    assert all(settings.is_own(host) for host in ("192.168.1.9", "[fe80::1]", own, f"{own}.local", "cams.example"))
    assert not any(settings.is_own(host) for host in ("evil.example", f"{own}.evil.example", ""))


def test_other_sites_may_only_link(view: View, open_view: View) -> None:
    body = urlencode({"password": PASSWORD})
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{view.port + 1}", ""):
        assert ask(view, "POST", "/login", body, Origin=origin).status == 403
    assert ask(view, "POST", "/login", body).status == 403
    embedded = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}
    for path in ("/live.mjpeg?camera=door", "/still.jpg?camera=door", "/api/status"):
        assert ask(open_view, "GET", path, **embedded).status == 403
    framed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
    assert ask(open_view, "GET", "/", **framed).status == 403
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert ask(open_view, "GET", "/", **linked).status == 200


def test_every_answer_has_its_headers(view: View) -> None:
    for path in ("/", "/login", "/api/status", "/page/style.css", "/nothing"):
        headers = ask(view, "GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert "server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e/app.py",
        "/page//etc/passwd",
        "/page/....//app.py",
        "/page/style.css%00.py",
        "/../../../../etc/passwd",
        "/page/..\\app.py",
        "//page/style.css",
        "/page/",
        "/page",
    ],
)
def test_there_is_no_way_to_other_files(open_view: View, path: str) -> None:
    assert ask(open_view, "GET", path).status in (404, 400)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods(open_view: View, method: str) -> None:
    assert ask(open_view, method, "/", Origin=f"http://127.0.0.1:{open_view.port}").status == 405


def test_who_asks_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowloris: each connection sends a byte now and then, for ever; others go on being served."""
    monkeypatch.setattr(connections, "_REQUEST_SECONDS", 1.0)
    view = View(ViewSettings(port=0), LABELS, ["door"])
    try:
        slow = [socket.create_connection(("127.0.0.1", view.port)) for _ in range(100)]
        for each in slow:
            each.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        began = time.monotonic()
        assert ask(view, "GET", "/api/status").status == 200
        while time.monotonic() - began < 1.5:
            for each in slow:
                _trickle(each)
            time.sleep(0.1)
        assert eventually(lambda: all(_closed(each) for each in slow), 10)
        idle = socket.create_connection(("127.0.0.1", view.port))
        assert eventually(lambda: _closed(idle), 10)
    finally:
        view.close()


def test_a_slow_or_long_body_is_cut_off(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgessd.view.app._BODY_SECONDS", 0.5)
    head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\nOrigin: http://127.0.0.1:{view.port}\r\n"
    with socket.create_connection(("127.0.0.1", view.port), timeout=20) as slow:
        slow.sendall(f"{head}Content-Length: 1000\r\n\r\npass".encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", view.port), timeout=20) as long:
        long.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + b"x" * 70000)
        assert long.recv(100).startswith(b"HTTP/1.1 413")
    with socket.create_connection(("127.0.0.1", view.port), timeout=20) as wide:
        wide.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"x" * 40000)
        assert wide.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_STUCK_SECONDS", 0.5)
    view = View(ViewSettings(port=0, max_watchers=1), LABELS, ["door"])
    try:
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", view.port))
        stuck.sendall(b"GET /live.mjpeg?camera=door HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

        def free() -> bool:
            view.write(result(0, found=False, noise=True, height=480, width=640))
            return ask(view, "GET", "/live.mjpeg?camera=door").status == 200

        assert eventually(lambda: not free(), 10)  # the one place is taken
        assert eventually(free, 30)
    finally:
        view.close()


def test_too_many_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    view = View(ViewSettings(port=0), LABELS, ["door"])
    try:
        many = [socket.create_connection(("127.0.0.1", view.port)) for _ in range(60)]
        assert eventually(lambda: sum(_closed(each) for each in many) >= 40, 10)
        for each in many:
            each.close()
        assert eventually(lambda: ask(view, "GET", "/api/status").status == 200, 10)
    finally:
        view.close()


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::", "cam.local"])
def test_other_addresses_need_a_password(address: str, hashed: str) -> None:
    with pytest.raises(InputError, match="has no password") as caught:
        from_table(ViewSettings, {"address": address}, "view")
    assert "edgessd hash-password" in str(caught.value)
    assert from_table(ViewSettings, {"address": address, "password_hash": hashed}, "view").address == address


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_this_machine_needs_none(address: str) -> None:
    assert ViewSettings(address=address).password() is None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"password_hash": "geheim"}, "no hash of ours"),
        ({"password_hash": "scrypt:1:2:3:geheim"}, "no hash of ours"),
        ({"password_hash": "scrypt:1073741824:8:1:AAAA:" + "A" * 43}, "no hash of ours"),
        ({"password_hash": "scrypt:16384:8:1:AAAA:" + "A" * 42}, "no hash of ours"),
        ({"password_hash": "scrypt:16383:8:1:AAAA:" + "A" * 43}, "no hash of ours"),
        ({"password_hash": "geheim", "password_env": "X"}, "leave one of them out"),
        ({"pasword": "geheim"}, "did you mean"),
        ({"port": 65536}, "port must be 0 to 65535"),
        ({"hosts": ["http://geheim/"]}, "name or address"),
        ({"max_watchers": 0}, "max_watchers must be 1"),
    ],
)
def test_what_is_wrong_in_the_table(table: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        from_table(ViewSettings, table, "view")
    assert "geheim" not in str(caught.value) or "hosts" in table


def test_a_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ViewSettings(address="0.0.0.0", password_env="VIEW_SECRET")
    with pytest.raises(InputError, match="export VIEW_SECRET"):
        settings.check()
    monkeypatch.setenv("VIEW_SECRET", "short")
    with pytest.raises(InputError, match="at least 8"):
        settings.check()
    monkeypatch.setenv("VIEW_SECRET", PASSWORD)
    password = settings.password()
    assert password is not None
    assert password.matches(PASSWORD)
    assert not password.matches(PASSWORD + "x")
    assert PASSWORD not in repr(settings) + repr(password)


def test_hash_password_prints_a_line_for_the_file(edgessd: Edgessd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("grüße, friend\n"))
    code, out, _ = edgessd("hash-password")
    assert code == 0
    key, _, text = out.strip().partition(" = ")
    assert key == "password_hash"
    assert parse_hash(text.strip('"')).matches("grüße, friend")
    assert "friend" not in out
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert edgessd("hash-password")[0] == 2


def test_detect_takes_no_stranger_in(edgessd: Edgessd, tiny: object, video: object) -> None:
    for place, words in (
        ("0.0.0.0:8080", "export EDGESSD_VIEW_PASSWORD"),
        ("nonsense", "ADDRESS:PORT"),
        ("127.0.0.1:99999", "ADDRESS:PORT"),
    ):
        code, _, err = edgessd("detect", video, "-m", tiny, "--view-at", place)
        assert (code, words in err) == (2, True), err


def _trickle(each: socket.socket) -> None:
    try:
        each.sendall(b"x")
    except OSError:
        return


def _closed(each: socket.socket) -> bool:
    each.setblocking(False)
    try:
        return each.recv(1000) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
