"""uvicorn's connection with the limits that it lacks, against slow, stuck and too many clients."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
_REQUEST_SECONDS = 10.0
_STUCK_SECONDS = 30.0
_UNSENT_BYTES = 1 << 17


class Connection(H11Protocol):
    """One client. It has so long to ask, however it spreads the bytes, and may refuse to read for so long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._request_limit = _Limit(self.loop)
        self._stuck_limit = _Limit(self.loop)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one too many. The system holds little that is unsent: a slow watcher then sees the present."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            peer = transport.get_extra_info("socket")
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        self._limit_request()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; a whole request ends the time to ask, a part of one does not."""
        super().data_received(data)
        self._limit_request()

    def on_response_complete(self) -> None:
        """Begin the time for the next request."""
        super().on_response_complete()
        self._limit_request()

    def pause_writing(self) -> None:
        """Begin the time to read on."""
        super().pause_writing()
        self._stuck_limit.begin(_STUCK_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """End that time."""
        super().resume_writing()
        self._stuck_limit.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all times."""
        super().connection_lost(exc)
        self._request_limit.end()
        self._stuck_limit.end()

    def _limit_request(self) -> None:
        asked = self.cycle is not None and not self.cycle.response_complete
        if asked:
            self._request_limit.end()
        elif not self.transport.is_closing():
            self._request_limit.begin(_REQUEST_SECONDS, self.transport.abort)


class _Limit:
    """A time that runs once begun, however often it is begun, until it is ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, act)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
