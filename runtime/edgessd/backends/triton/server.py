"""Triton's HTTP service: requests of one model, on a connection for every thread."""

import json
import threading
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, NamedTuple

from edgessd.backends.triton.address import TritonAddress
from edgessd.backends.triton.tensors import LENGTH_HEADER
from edgessd.errors import BackendError, CardError, InputError
from edgessd.model.card import MAX_CARD_BYTES, ModelCard, loads
from edgessd.util.bounded_json import parse_json, short, whole
from edgessd.util.digits import whole_number
from edgessd.util.outside_text import outside_text

SECONDS = 10.0  # to connect, and between two pieces of an answer
MAX_CONFIG_BYTES = 4 * MAX_CARD_BYTES  # a card inside a string inside JSON
PARAMETER = "edgessd"  # of a model's configuration: its card
_HTTP_PORT = "give the port of Triton's HTTP service, 8000 unless set otherwise"
_MOST_WORDS = 300
_MOST_NAMES = 10


class Answer(NamedTuple):
    """json_length: of the JSON, behind which binary tensors stand."""

    status: int
    body: bytes
    json_length: int


class ServerAway(BackendError):
    """The server does not answer, or has the model not ready: both may pass."""


class TritonServer:
    """What is asked of a server about one model."""

    def __init__(self, address: TritonAddress) -> None:
        self.address = address
        self._local = threading.local()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        most: int = MAX_CONFIG_BYTES,
    ) -> Answer:
        """Return the answer to one request. Raises ServerAway, and InputError for more than ``most`` bytes."""
        kept = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                return self._ask(kept, method, path, body, headers or {}, most)
            except TimeoutError as error:
                self.disconnect()
                raise self._away(error) from error
            except (OSError, HTTPException):  # a connection that waited was closed by the other side
                self.disconnect()
        fresh = self._local.connection = self._connection()
        try:
            return self._ask(fresh, method, path, body, headers or {}, most)
        except (OSError, HTTPException, UnicodeError) as error:
            self.disconnect()
            raise self._away(error) from error

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        most: int,
    ) -> Answer:
        connection.request(method, path, body, headers)
        response: HTTPResponse = connection.getresponse()
        content = response.read(most + 1)
        if len(content) > most:
            self.disconnect()
            raise InputError(f"{self.address} answers more than {most} bytes", fix="see that it is a Triton")
        length = response.headers.get(LENGTH_HEADER, "")
        # An answer without binary tensors is JSON to its end.
        return Answer(response.status, content, whole_number(length) or len(content))

    def _connection(self) -> HTTPConnection:
        """Return a new connection, which connects with its first request."""
        if not self.address.tls:
            return HTTPConnection(self.address.host, self.address.port, timeout=SECONDS)
        from http.client import HTTPSConnection  # there is no such name in a Python without TLS

        return HTTPSConnection(self.address.host, self.address.port, timeout=SECONDS)

    def disconnect(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _away(self, error: Exception) -> ServerAway:
        if isinstance(error, ConnectionRefusedError):
            return ServerAway(f"{self.address} refuses connections", fix="the server is down, or the port is wrong")
        if isinstance(error, TimeoutError):
            return ServerAway(f"{self.address} did not answer within {SECONDS:g} s", fix="see the server")
        if isinstance(error, HTTPException):
            return ServerAway(f"{self.address} does not speak HTTP, or cut the connection", fix=_HTTP_PORT)
        why = getattr(error, "strerror", None) or "no such host"
        return ServerAway(f"{self.address} cannot be reached ({why})", fix="check the host's name and the network")

    @property
    def _model(self) -> str:
        return f"/v2/models/{self.address.name}"

    def infer(self, body: bytes, json_length: int, most: int) -> Answer:
        """Return the answer with the outputs. Raises ServerAway, and BackendError where Triton refuses the input."""
        headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(json_length)}
        answer = self.ask("POST", f"{self._model}/infer", body, headers, most=most)
        if answer.status == 200:
            return answer
        if answer.status >= 500 or self.ask("GET", f"{self._model}/ready").status != 200:
            raise ServerAway(f"{self.address} cannot answer now ({_words(answer)})", fix="see the server's log")
        raise BackendError(f"{self.address} refuses the request: {_words(answer)}")

    def card(self) -> tuple[ModelCard, int]:
        """Return the model's card, and how many images one request takes.

        Raises ServerAway, InputError for a model that is not there, CardError for one without a card.
        """
        answer = self.ask("GET", f"{self._model}/config")
        if answer.status >= 500:
            raise ServerAway(f"{self.address} cannot answer now ({_words(answer)})", fix="see the server's log")
        if answer.status != 200:
            raise InputError(f"{self.address} has no such model ({_words(answer)})", fix=self._known())
        try:
            config = parse_json(answer.body, most=MAX_CONFIG_BYTES)
        except InputError as error:
            raise BackendError(f"{self.address} does not speak Triton's protocol", fix=_HTTP_PORT) from error
        parameters = config.get("parameters") if isinstance(config, dict) else None
        entry = parameters.get(PARAMETER) if isinstance(parameters, dict) else None
        text = entry.get("string_value") if isinstance(entry, dict) else None
        if not isinstance(text, str):
            raise CardError(
                f"{self.address} serves a model without an edgessd card in its configuration",
                fix="serve the repository that `edgessd deploy RUN --for triton` writes",
            )
        return loads(text, where=str(self.address)), whole(config.get("max_batch_size"), "max_batch_size", 1, 1 << 16)

    def _known(self) -> str:
        """Return the models that are ready there, as advice."""
        answer = self.ask("POST", "/v2/repository/index", b'{"ready": true}')
        try:
            rows = parse_json(answer.body)
        except InputError:
            rows = None
        if answer.status != 200 or not isinstance(rows, list):
            return _HTTP_PORT
        names = [outside_text(short(row.get("name"))) for row in rows if isinstance(row, dict)][:_MOST_NAMES]
        return f"models that are ready there: {', '.join(names) or 'none'}"


def _words(answer: Answer) -> str:
    """Return what a server says is wrong, in one line."""
    try:
        said: Any = json.loads(answer.body[:MAX_CARD_BYTES])
    except ValueError:
        said = None
    words = said.get("error") if isinstance(said, dict) else None
    return outside_text(words[:_MOST_WORDS]) if isinstance(words, str) else f"HTTP {answer.status}"
