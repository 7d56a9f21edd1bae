"""One camera's pictures as one endless answer: motion JPEG, as browsers, VLC and Home Assistant read it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edgessd.view.cameras import Camera

# A browser shows a part when it has read the next part's header: it follows each picture at once, and no part
# tells its length. At 720p and 15 FPS a frame is then 18 ms old on the screen, not 84.
_HEADER = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


class Watchers:
    """Those who watch now, at most so many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Return whether nobody else may watch."""
        return len(self._tasks) >= self.most

    async def watch(self, work: Coroutine[Any, Any, None], leave: Coroutine[Any, Any, None]) -> None:
        """Work until done, until somebody leaves, or until ``end``."""
        tasks = asyncio.ensure_future(work), asyncio.ensure_future(leave)
        self._tasks.add(tasks[0])
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tasks.discard(tasks[0])
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        """Send everybody away."""
        for task in self._tasks:
            task.cancel()


class Live(Response):
    """The pictures of a camera from now on. A watcher who reads slowly gets the newest picture each time."""

    media_type = "multipart/x-mixed-replace; boundary=frame"

    def __init__(self, camera: Camera, watchers: Watchers) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._camera = camera
        self._watchers = watchers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until either side ends it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            await self._watchers.watch(self._send_pictures(send), _left(receive))
        with suppress(OSError):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pictures(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": _HEADER, "more_body": True})
        number = 0
        while True:
            number, picture = await self._camera.picture_after(number)
            await send({"type": "http.response.body", "body": picture + b"\r\n" + _HEADER, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
