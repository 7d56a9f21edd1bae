"""The newest frame of each stream, and its picture once somebody asks for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from edgessd.streams.result import Result

Picture = Callable[[Result], bytes]


class Camera:
    """One stream. ``offer`` is any thread's; all else belongs to the server's event loop.

    A picture is made when the first watcher asks for it and is shared by all who ask meanwhile: nobody watching, or
    nobody reading, costs nothing.
    """

    def __init__(self, name: str, encode: Picture, executor: Executor) -> None:
        self.name = name
        self.encoded = 0  # pictures made
        self._encode = encode
        self._executor = executor
        self._newest: tuple[int, Result] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._work: tuple[int, asyncio.Future[bytes]] | None = None

    @property
    def newest(self) -> Result | None:
        """Return the newest result, None before the first."""
        return self._newest[1] if self._newest else None

    def offer(self, result: Result) -> None:
        """Take a result instead of the one before, without waiting."""
        self._newest = (self._newest[0] + 1 if self._newest else 1, result)
        for future in self._waiting[:1]:  # all are woken together
            future.get_loop().call_soon_threadsafe(self._wake)

    async def picture_after(self, seen: int) -> tuple[int, bytes]:
        """Return the number and JPEG of the first picture there is after the one with the number ``seen``."""
        while self._newest is None or self._newest[0] <= seen:
            arrived = asyncio.get_running_loop().create_future()
            self._waiting.append(arrived)
            if self._newest is not None and self._newest[0] > seen:  # it came between the two looks
                self._wake()
            await arrived
        if self._work is None or self._work[0] <= seen or (self._work[1].done() and self._work[0] < self._newest[0]):
            number, result = self._newest
            self.encoded += 1
            self._work = number, asyncio.get_running_loop().run_in_executor(self._executor, self._encode, result)
        number, work = self._work
        return number, await asyncio.shield(work)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
