"""Detections by HTTP POST, tried again when the receiver is away."""

import json
import threading
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from edgessd.errors import EdgessdError, InputError
from edgessd.sinks.records import result_as_json
from edgessd.sources.address import redact_url
from edgessd.streams.result import Result
from edgessd.streams.status import Status

TIMEOUT_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 0.5


class WebhookFault(EdgessdError):
    """A receiver did not take what was posted."""


class Webhook:
    """Posts a frame in which something was found as JSON, at most one an ``interval`` and stream, and every state."""

    needs_image = False

    def __init__(
        self,
        url: str,
        labels: tuple[str, ...],
        *,
        headers: Mapping[str, str] | None = None,
        interval: float = 1.0,
        attempts: int = 3,
    ) -> None:
        """Raises InputError for what is no HTTP address."""
        self._name = redact_url(url)
        if not url.startswith(("http://", "https://")):
            raise InputError(f"a webhook's url begins with http:// or https://, got {self._name}")
        self._url = url
        self._labels = labels
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._interval = interval
        self._attempts = attempts
        self._last: dict[str, float] = {}
        self._closing = threading.Event()
        self._opener = build_opener(ProxyHandler({}))

    def write(self, result: Result) -> None:
        """Post one frame if it is time for one. Raises WebhookFault after the last attempt."""
        name, captured = result.frame.source, result.frame.captured_at
        if len(result.detections) and captured - self._last.get(name, -self._interval) >= self._interval:
            self._last[name] = captured
            self._post(result_as_json(result, self._labels))

    def report(self, status: Status) -> None:
        """Post one state. Raises WebhookFault after the last attempt."""
        self._post(status.as_json())

    def _post(self, body: object) -> None:
        request = Request(self._url, json.dumps(body).encode(), self._headers, method="POST")
        cause = ""
        for attempt in range(self._attempts):
            if attempt and self._closing.wait(_FIRST_RETRY_SECONDS * 2 ** (attempt - 1)):
                break
            try:
                with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                    return
            except HTTPError as error:
                cause = f"it answers {error.code}"
                error.close()
                if error.code < 500 and error.code not in (408, 429):
                    break  # it will answer the same again
            except (OSError, HTTPException) as error:
                cause = type(getattr(error, "reason", error)).__name__
        raise WebhookFault(f"{self._name} did not take a message", fix=f"{cause}; see the receiver")

    def close(self) -> None:
        """Nothing is left open."""
        self._closing.set()
