"""The live page as a sink: takes results, serves them to browsers on a thread of its own."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from edgessd.errors import InputError
from edgessd.streams.result import Result
from edgessd.streams.sink import Overview, Sink
from edgessd.streams.status import State, Status
from edgessd.view.cameras import Camera
from edgessd.view.pictures import annotated, jpeg
from edgessd.view.regions import Editor, region_text, regions_of
from edgessd.view.settings import ViewSettings

if TYPE_CHECKING:
    import uvicorn

    from edgessd.sinks.event_store import EventStore

_START_SECONDS = 10.0
log = logging.getLogger(__name__)


class View(Sink):
    """Serves ``http://ADDRESS:PORT/``. Frames are drawn and encoded only while somebody watches."""

    needs_image = True

    def __init__(
        self,
        settings: ViewSettings,
        labels: tuple[str, ...],
        cameras: Sequence[str],
        *,
        editor: Editor | None = None,
        events: "EventStore | None" = None,
    ) -> None:
        """cameras: the streams' names. editor: knows the configuration, where there is one.

        events: who keeps them, closed with the page. Raises InputError when the port is taken, MissingExtra.
        """
        settings.check()
        self._settings = settings
        self._labels = labels
        self._editor = editor
        self._events = events
        self._overview: Overview | None = None
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="view")
        encode = partial(annotated, labels=labels, max_width=settings.max_width, quality=settings.quality)
        self.cameras = {name: Camera(name, encode, self._executor) for name in cameras}
        self._socket = _listening(settings.address, settings.port)
        self.port: int = self._socket.getsockname()[1]
        self._server = self._make_server()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="view", daemon=True)
        self._thread.start()
        log.info("the live page is at %s", self.url)

    @property
    def url(self) -> str:
        """Return where the page is."""
        return self._settings.url(self.port)

    def watch(self, overview: Overview) -> None:
        """Learn whom to ask for the streams' states."""
        self._overview = overview

    def write(self, result: Result) -> None:
        """Show one frame from now on. A folder's images are shown under the folder's name."""
        camera = self.cameras.get(result.frame.source)
        if camera is None:
            statuses = self._overview.statuses() if self._overview else []
            camera = self.cameras.get(statuses[0].name) if statuses else None
        if camera is not None:
            camera.offer(result)

    def close(self) -> None:
        """Send everybody away and stop serving."""
        self._server.should_exit = True  # also where it has not begun yet
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._watchers.end)
        self._thread.join(_START_SECONDS)
        self._socket.close()
        self._executor.shutdown(wait=False)
        if self._events is not None:
            self._events.close()

    def _make_server(self) -> "uvicorn.Server":
        import uvicorn

        from edgessd.view.app import make_app
        from edgessd.view.connections import Connection
        from edgessd.view.live import Watchers

        self._watchers = Watchers(self._settings.max_watchers)
        app = make_app(
            self._settings,
            self._settings.password(),
            self.cameras,
            self._watchers,
            status=self._status,
            still=self._still,
            draw=self._draw,
            change=self._change,
            events=self._events,
            cookie=f"edgessd_{self.port}",  # a browser shares cookies between the ports of a host
        )
        config = uvicorn.Config(
            app, http=Connection, ws="none", lifespan="off", loop="asyncio", interface="asgi3", log_config=None,
            log_level="error", access_log=False, server_header=False, proxy_headers=False,
            h11_max_incomplete_event_size=16384, timeout_graceful_shutdown=1,
        )  # fmt: skip
        return uvicorn.Server(config)

    def _serve(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._socket])

        try:
            asyncio.run(serve())
        except Exception:
            log.exception("the live page ended")

    async def _still(self, name: str, plain: bool) -> bytes | None:
        """Return the newest picture of a camera, None where there is none."""
        camera = self.cameras.get(name)
        if camera is None or camera.newest is None:
            return None
        if not plain:
            return (await camera.picture_after(0))[1]
        encode = partial(jpeg, max_width=self._settings.max_width, quality=self._settings.quality)
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, encode, camera.newest.frame.image
        )  # fmt: skip

    def _draw(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Return a zone's or line's text, and whether it was written. Raises InputError."""
        text, name = region_text(drawn, self._labels), self._camera_of(drawn)
        if self._editor is not None:
            (self._editor.write if drawn.get("write") is True else self._editor.check)(name, text)
        return {"text": text, "written": self._editor is not None and drawn.get("write") is True}

    def _change(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Rename or delete a zone or line, where that is asked for; return the names in the file. Raises InputError."""
        camera = self._camera_of(asked)
        if self._editor is None:
            raise InputError("there is no configuration to edit", fix="start `edgessd run` with --edit")
        kind, name, to = (str(asked.get(key)) for key in ("kind", "name", "to"))
        if asked.get("do") == "delete":
            self._editor.delete(camera, kind, name)
        elif asked.get("do") == "rename":
            self._editor.rename(camera, kind, name, to)
        return self._editor.names(camera)

    def _camera_of(self, asked: dict[str, Any]) -> str:
        name = str(asked.get("camera"))
        if name not in self.cameras:
            raise InputError("there is no such camera", fix="load the page again")
        return name

    def _status(self) -> dict[str, Any]:
        """Return what the page shows beside the pictures. Names and texts hold no password (``Source.name``)."""
        known = {status.name: status for status in self._overview.statuses()} if self._overview else {}
        return {
            "title": self._settings.title,
            "time": time.time(),
            "watchers": len(self._watchers),
            "labels": self._labels,
            "events": self._events is not None,
            "may_write": self._editor is not None and self._editor.may_write,
            "login": self._settings.password_hash is not None or self._settings.password_env is not None,
            "cameras": [_camera_status(camera, known.get(name)) for name, camera in self.cameras.items()],
        }


def _camera_status(camera: Camera, status: Status | None) -> dict[str, Any]:
    newest = camera.newest
    return {
        "name": camera.name,
        "state": str(status.state if status else State.CONNECTING),
        "reason": status.reason if status else None,
        "text": status.text if status else None,
        "last_frame_age": status.last_frame_age if status else None,
        "fps": round(status.fps, 1) if status else 0.0,
        "dropped": status.dropped if status else 0,
        "reconnects": status.reconnects if status else 0,
        "result_age": round(newest.age, 4) if newest else None,
        "found": len(newest.detections) if newest else 0,
        "encoded": camera.encoded,
        "tracked": newest is not None and newest.tracks is not None,
        **regions_of(newest.tracks if newest else None),
    }


def _listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises InputError where it cannot."""
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        cause = f"the live page cannot be served on {address}:{port}: {error.strerror}"
        raise InputError(cause, fix="take another port or address in [view]") from error
