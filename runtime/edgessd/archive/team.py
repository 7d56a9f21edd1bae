"""Many workers at once: whoever is free gets the next file, and the file of one that died is given to another."""

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from edgessd.archive.job import Item, Outcome
from edgessd.errors import BackendError, EdgessdError

Member = Hashable
_MOST_DEATHS = 3  # with the same file
_MOST_STILLBORN = 10  # workers in a row that die before they have loaded the model


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model."""


@dataclass(frozen=True)
class Died:
    """A worker is gone. reason: such as the signal that ended it."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """A worker cannot work, and no other could: no disk, no model."""

    error: EdgessdError


Message = Ready | Outcome | Died | Failed


class Team(Protocol):
    """Workers in processes or on a cluster. size: how many there should be."""

    size: int

    def start(self) -> None:
        """Begin to start one worker; it says Ready later."""
        ...

    def give(self, member: Member, item: Item) -> None:
        """Let a free worker do a file."""
        ...

    def messages(self) -> list[tuple[Member, Message]]:
        """Return what workers said, after waiting for a moment at most."""
        ...


def run_all(team: Team, items: Iterable[Item]) -> Iterator[Outcome]:
    """Yield what came of every file, as they end. Raises EdgessdError where no worker could go on.

    A file with which three workers died is BROKEN: it is what kills them.
    """
    waiting, given, free = deque(items), dict[Member, Item](), deque[Member]()
    deaths: Counter[Item] = Counter()
    stillborn = 0
    for _ in range(min(team.size, len(waiting))):
        team.start()
    while waiting or given:
        for member, message in team.messages():
            item = given.pop(member, None)
            match message:
                case Failed():
                    raise message.error
                case Died():
                    stillborn = stillborn + 1 if item is None else 0
                    if stillborn >= _MOST_STILLBORN:
                        raise BackendError(f"{stillborn} workers died while loading the model: {message.reason}")
                    if member in free:
                        free.remove(member)
                    team.start()
                    if item is not None:
                        deaths[item] += 1
                        if deaths[item] >= _MOST_DEATHS:
                            yield Outcome.broken(item, f"{_MOST_DEATHS} workers died with it: {message.reason}")
                        else:
                            waiting.append(item)
                case Ready():
                    stillborn = 0
                    free.append(member)
                case Outcome():
                    free.append(member)
                    yield message
        while waiting and free:
            member = free.popleft()
            given[member] = waiting.popleft()
            team.give(member, given[member])
