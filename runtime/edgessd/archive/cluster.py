"""Workers on a Ray cluster: an actor holds a detector, tasks carry items."""

import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic

from edgessd.archive.team import Died, Done, Failed, Item, Member, Message, Outcome, Ready, Worker
from edgessd.errors import EdgessdError, InputError
from edgessd.util.extras import need
from edgessd.util.outside_text import outside_text

_SECONDS = 0.5
_KNOCK_SECONDS = 5.0
LOCAL = "local"


class Actors(Generic[Item, Outcome]):
    """A team of Ray actors. Those of a node that dies are started again where there is room; no item waits for them.

    Ray would keep the tasks of an actor that it restarts; with a node gone there may be no room for it, and its items
    would wait for ever. So an actor is never restarted, and its item goes to whoever is free.
    """

    def __init__(self, make: Callable[[], Worker[Item, Outcome]], address: str, size: int | None, *, gpu: bool) -> None:
        """make: sent to every actor, whose worker it returns.

        address: a cluster's, "auto" for the one that this machine belongs to, "local" to start one here.
        size: workers, all the cluster's cores or GPUs where None. Raises InputError where no cluster answers.
        """
        ray = need("ray", "ray")
        self._ray, self._make = ray, make
        try:
            _knock(address)
            ray.init(address=None if address == LOCAL else address, log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no Ray cluster answers at {outside_text(address)}",
                fix="start one by `ray start --head`, or give --ray local; one with a token wants RAY_AUTH_MODE=token",
            ) from error
        has = ray.cluster_resources()
        self.size = size or max(1, int(has.get("GPU" if gpu else "CPU", 1)))
        self._actor = ray.remote(num_cpus=1, num_gpus=1 if gpu else 0, max_restarts=0)(_Actor)
        self._members: dict[Any, Any] = {}  # what a task will answer -> its actor

    def __enter__(self) -> "Actors[Item, Outcome]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def start(self) -> None:
        """Ask for an actor."""
        actor = self._actor.remote(self._make)
        self._members[actor.ready.remote()] = actor

    def give(self, member: Member, item: Item) -> None:
        """Send a task."""
        self._members[member.do.remote(item)] = member  # type: ignore[attr-defined]

    def messages(self) -> list[tuple[Member, Message[Outcome]]]:
        """Return what tasks answered."""
        self._ray.wait(list(self._members), timeout=_SECONDS)  # for one
        done, _ = self._ray.wait(list(self._members), num_returns=len(self._members), timeout=0)
        return [(self._members.pop(answer), self._message(answer)) for answer in done]

    def _message(self, answer: Any) -> Message[Outcome]:
        try:
            message: Message[Outcome] = self._ray.get(answer)
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
    def __init__(self, make: Callable[[], Worker[Any, Any]]) -> None:
        self._make = make
        self._worker: Worker[Any, Any] | None = None

    def ready(self) -> Message[Any]:
        try:
            self._worker = self._make()
        except EdgessdError as error:
            return Failed(error)
        return Ready()

    def do(self, item: Any) -> Message[Any]:
        assert self._worker is not None
        try:
            return Done(self._worker.do(item))
        except EdgessdError as error:
            return Failed(error)
