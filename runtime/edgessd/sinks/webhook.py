"""Detections by HTTP POST, tried again when the receiver is away."""

import json
import threading
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from edgessd.errors import EdgessdError
from edgessd.sinks.records import result_as_json
from edgessd.sinks.webhook_address import WebhookAddress, webhook_address
from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink
from edgessd.streams.status import Status

TIMEOUT_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.5


class WebhookFault(EdgessdError):
    """A receiver did not take what was posted."""


class Webhook(Sink):
    """Posts as JSON every event and state, and a frame in which something was found, one an ``interval`` and stream."""

    needs_pictures = False

    def __init__(
        self,
        url: str,
        labels: tuple[str, ...],
        *,
        headers: Mapping[str, str] | None = None,
        interval: float = 1.0,
        attempts: int = 3,
        only_events: bool = False,
    ) -> None:
        """only_events: post no frames.

        User and password of the url are sent as basic authentication. Raises InputError for what is no address.
        """
        self._address = webhook_address(url, headers or {})
        self._labels = labels
        self._interval = interval
        self._attempts = attempts
        self._only_events = only_events
        self._last: dict[str, float] = {}
        self._closing = threading.Event()
        self._opener = build_opener(ProxyHandler({}), _SamePost(self._address))

    def write(self, result: Result) -> None:
        name, captured = result.frame.source, result.frame.captured_at
        if self._only_events:
            return
        if len(result.detections) and captured - self._last.get(name, -self._interval) >= self._interval:
            self._last[name] = captured
            self._post(result_as_json(result, self._labels))

    def tell(self, event: Event) -> None:
        self._post(event.as_json())

    def report(self, status: Status) -> None:
        """Post one state. Raises WebhookFault after the last attempt."""
        self._post(status.as_json())

    def _post(self, body: object) -> None:
        request = Request(self._address.url, json.dumps(body).encode(), dict(self._address.headers), method="POST")
        cause = fix = ""
        for attempt in range(self._attempts):
            if attempt and self._closing.wait(_FIRST_RETRY_SECONDS * 2 ** (attempt - 1)):
                break
            try:
                with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                    return
            except HTTPError as error:
                cause, fix = f"it answers {error.code}", "see the receiver"
                if 300 <= error.code < 400:
                    fix = "give the url that it redirects to; only 307 and 308 to the same host are followed"
                error.close()
                if error.code < 500 and error.code not in (408, 429):
                    break  # it will answer the same again
            except (OSError, HTTPException, ValueError) as error:
                cause, fix = type(getattr(error, "reason", error)).__name__, "see the receiver"
        raise WebhookFault(f"{self._address.name} did not take a message ({cause})", fix=fix)

    def close(self) -> None:
        """Wait for no further attempt."""
        self._closing.set()


class _SamePost(HTTPRedirectHandler):
    """Follows what asks for the same POST again on the same host; any other redirect is the answer."""

    max_redirections = 3

    def __init__(self, address: WebhookAddress) -> None:
        self._address = address

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Return the next request, None where the redirect is not followed."""
        if code not in (307, 308) or not self._address.follows(newurl):
            return None
        return Request(newurl, req.data, dict(req.headers), method="POST")

    http_error_308 = HTTPRedirectHandler.http_error_302  # Python 3.10 knows only 307
