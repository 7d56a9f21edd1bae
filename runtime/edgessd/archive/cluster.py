"""Workers on a Ray cluster: an actor holds a detector, tasks carry paths that every node can open."""

import socket
from types import TracebackType
from typing import Any

from edgessd.archive.job import Item, Settings
from edgessd.archive.team import Died, Failed, Member, Message, Ready
from edgessd.archive.worker import Worker
from edgessd.errors import EdgessdError, InputError
from edgessd.util.extras import need
from edgessd.util.outside_text import outside_text

_SECONDS = 0.5
_KNOCK_SECONDS = 5.0
LOCAL = "local"


class Actors:
    """A team of Ray actors. Those of a node that dies are started again where there is room; no task waits for them.

    Ray would keep the tasks of an actor that it restarts; with a node gone there may be no room for it, and its files
    would wait for ever. So an actor is never restarted, and its file goes to whoever is free.
    """

    def __init__(self, settings: Settings, address: str, size: int | None, *, gpu: bool) -> None:
        """address: a cluster's, "auto" for the one that this machine belongs to, "local" to start one here.

        size: workers, all the cluster's cores or GPUs where None. Raises InputError where no cluster answers.
        """
        ray = need("ray", "ray")
        self._ray, self._settings = ray, settings
        try:
            _knock(address)
            ray.init(address=None if address == LOCAL else address, log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no Ray cluster answers at {outside_text(address)}",
                fix="start one by `ray start --head`, or give --ray local",
            ) from error
        has = ray.cluster_resources()
        self.size = size or max(1, int(has.get("GPU" if gpu else "CPU", 1)))
        self._actor = ray.remote(num_cpus=1, num_gpus=1 if gpu else 0, max_restarts=0)(_Actor)
        self._members: dict[Any, Any] = {}  # what a task will answer -> its actor

    def __enter__(self) -> "Actors":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def start(self) -> None:
        """Ask for an actor."""
        actor = self._actor.remote(self._settings)
        self._members[actor.ready.remote()] = actor

    def give(self, member: Member, item: Item) -> None:
        """Send a task."""
        self._members[member.do.remote(item)] = member  # type: ignore[attr-defined]

    def messages(self) -> list[tuple[Member, Message]]:
        """Return what tasks answered."""
        done, _ = self._ray.wait(list(self._members), num_returns=len(self._members), timeout=_SECONDS)
        return [(self._members.pop(answer), self._message(answer)) for answer in done]

    def _message(self, answer: Any) -> Message:
        try:
            message: Message = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, EdgessdError):
                return Failed(error.cause)
            return Died(outside_text(error.cause))
        except self._ray.exceptions.RayError as error:
            return Died(outside_text(type(error).__name__))
        return message


def _knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself tries for minutes. Names such as ``auto`` are Ray's to find."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()


class _Actor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker: Worker | None = None

    def ready(self) -> Message:
        try:
            self._worker = Worker(self._settings)
        except EdgessdError as error:
            return Failed(error)
        return Ready()

    def do(self, item: Item) -> Message:
        assert self._worker is not None
        try:
            return self._worker.do(item)
        except EdgessdError as error:
            return Failed(error)
