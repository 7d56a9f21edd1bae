"""Webhooks: whom they post to, what a redirect does, and that nothing secret is shown."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from results import LABELS, result, status

from edgessd.errors import InputError
from edgessd.sinks.webhook import Webhook, WebhookFault
from edgessd.sinks.webhook_address import webhook_address
from edgessd.streams.status import State


class Redirecting(BaseHTTPRequestHandler):
    """Sends /hook on to ``target`` with ``code``, and takes whatever comes elsewhere."""

    code: int
    target: str
    taken: list[tuple[str, str | None, bytes]]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path.startswith("/hook"):
            self.send_response(self.code)
            self.send_header("Location", self.target)
        else:
            self.taken.append((f"{self.command} {self.path}", self.headers["Authorization"], body))
            self.send_response(200)
        self.end_headers()

    do_GET = do_POST = _answer


@pytest.fixture
def servers() -> Iterator[list[tuple[type[Redirecting], str]]]:
    found, running = [], []
    for _ in range(2):
        kind = type("One", (Redirecting,), {"code": 307, "target": "/final", "taken": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        found.append((kind, f"127.0.0.1:{server.server_port}"))
    yield found
    for server in running:
        server.shutdown()
        server.server_close()


def test_user_and_password_of_the_url_are_sent_as_basic_authentication(
    servers: list[tuple[type[Redirecting], str]],
) -> None:
    kind, place = servers[0]
    Webhook(f"http://me:p%40ss@{place}/x?to=a@b", LABELS).write(result(1))
    ((request, authorization, body),) = kind.taken
    assert request == "POST /x?to=a@b"
    assert authorization == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert json.loads(body)["frame"] == 1


@pytest.mark.parametrize("code", [307, 308])
def test_a_redirect_that_keeps_the_post_is_followed_on_the_same_host(
    code: int, servers: list[tuple[type[Redirecting], str]]
) -> None:
    kind, place = servers[0]
    kind.code = code
    Webhook(f"http://{place}/hook", LABELS, headers={"Authorization": "Bearer x"}).write(result(1))
    ((request, authorization, body),) = kind.taken
    assert (request, authorization) == ("POST /final", "Bearer x")
    assert json.loads(body)["frame"] == 1


@pytest.mark.parametrize("code", [301, 302, 303])
def test_a_redirect_that_loses_the_message_is_told(code: int, servers: list[tuple[type[Redirecting], str]]) -> None:
    kind, place = servers[0]
    kind.code = code
    with pytest.raises(WebhookFault, match=f"did not take a message .it answers {code}.: give the url"):
        Webhook(f"http://{place}/hook", LABELS).write(result(1))
    assert kind.taken == []


def test_no_other_host_is_given_the_message_or_its_secrets(servers: list[tuple[type[Redirecting], str]]) -> None:
    (kind, place), (other, elsewhere) = servers
    kind.target = f"http://{elsewhere}/final"
    with pytest.raises(WebhookFault, match="307"):
        Webhook(f"http://me:geheim@{place}/hook", LABELS).report(status(State.LIVE))
    assert other.taken == []


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://geheim@h/x", {}),
        ("http:/geheim/x", {}),
        (" http://u:geheim@h/x", {}),
        ("u:geheim@h/x", {}),
        ("http://u:ge@heim@h/x", {}),
        ("http://h#@geheim/", {}),
        ("http://u:geheim/x", {}),
        ("http://u:geheim%%40@h/x", {}),
        ("http://h\\@geheim/x", {}),
        ("http://[::1/geheim", {}),
        ("http://geheim" + "a" * 60 + "/x", {}),
        ("http://h/x\ngeheim", {}),
        ("http://h/x", {"X-Key": "geheim\n"}),
        ("http://h/x", {"X-Key": "geheim\u20ac"}),
        ("http://h/x", {"Bearer geheim": "x"}),
        ("", {}),
    ],
)
def test_what_does_not_parse_is_refused_and_not_shown(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        webhook_address(url, headers)
    assert "geheim" not in str(caught.value)
    assert caught.value.fix


def test_a_path_may_be_a_secret(servers: list[tuple[type[Redirecting], str]]) -> None:
    kind, place = servers[0]
    kind.code = 404
    with pytest.raises(WebhookFault) as caught:
        Webhook(f"http://{place}/hook/geheim", LABELS).write(result(1))
    assert "geheim" not in str(caught.value)
