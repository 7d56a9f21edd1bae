"""Workers on this machine: a process a core, each with a detector of its own.

They are programs of their own and no ``multiprocessing``, which would import the caller's main module again.
"""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Generic

from edgessd.archive.team import Died, Done, Failed, Item, Member, Message, Outcome, Ready, Worker
from edgessd.errors import EdgessdError

_SECONDS = 0.2


class Processes(Generic[Item, Outcome]):
    """A team of processes, which end with the with-block, and by themselves when this process is killed."""

    def __init__(self, make: Callable[[], Worker[Item, Outcome]], size: int) -> None:
        """make: sent to every process, whose worker it returns."""
        self.size = size
        self._make = make
        self._processes: dict[Connection, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Processes[Item, Outcome]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._processes:
            connection.close()
        for process in self._processes.values():
            if kind is not None:
                process.terminate()
            process.wait()

    def start(self) -> None:
        """Start a process."""
        ours, theirs = socket.socketpair()
        handle = theirs.fileno()
        program = f"from edgessd.archive.processes import work; work({handle})"
        # A session of its own: Ctrl-C is ours, and we end it.
        process = subprocess.Popen(
            [sys.executable, "-c", program], pass_fds=[handle], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        connection = Connection(ours.detach())
        connection.send(self._make)
        self._processes[connection] = process

    def give(self, member: Member, item: Item) -> None:
        """Send an item; whether the process still lives is seen by its next message."""
        assert isinstance(member, Connection)
        with suppress(OSError):
            member.send(item)

    def messages(self) -> list[tuple[Member, Message[Outcome]]]:
        """Return what processes sent; the end of a connection is a death."""
        heard: list[tuple[Member, Message[Outcome]]] = []
        for connection in wait(list(self._processes), _SECONDS):
            assert isinstance(connection, Connection)
            try:
                heard.append((connection, connection.recv()))
            except (EOFError, OSError):
                process = self._processes.pop(connection)
                heard.append((connection, Died(_end_of(process.wait()))))
        return heard


def work(handle: int) -> None:
    """Do items until the other end of a socket closes: what a process of the team runs."""
    connection = Connection(handle)
    try:
        worker = connection.recv()()
        connection.send(Ready())
        while True:
            connection.send(Done(worker.do(connection.recv())))
    except (EOFError, ConnectionError):  # the parent has no more items, or is gone
        return
    except EdgessdError as error:
        connection.send(Failed(error))


def _end_of(code: int) -> str:
    return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
