"""Many workers at once: whoever is free gets the next item, and the item of one that died is given to another."""

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from edgessd.errors import BackendError, EdgessdError

Member = Hashable
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
ItemIn = TypeVar("ItemIn", contravariant=True)
OutcomeOut = TypeVar("OutcomeOut", covariant=True)
_MOST_DEATHS = 3  # with the same item
_MOST_STILLBORN = 10  # workers in a row that die before they have loaded the model


class Worker(Protocol[ItemIn, OutcomeOut]):
    """What holds a model in a process of its own and does items one by one; ``Callable[[], Worker]`` is sent there."""

    def do(self, item: ItemIn) -> OutcomeOut:
        """Return what came of an item. Raises EdgessdError where no worker could go on: no disk."""
        ...


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its model."""


@dataclass(frozen=True)
class Done(Generic[OutcomeOut]):
    """A worker has done its item."""

    outcome: OutcomeOut


@dataclass(frozen=True)
class Died:
    """A worker is gone. reason: such as the signal that ended it."""

    reason: str


@dataclass(frozen=True)
class Failed:
    """A worker cannot work, and no other could: no disk, no model."""

    error: EdgessdError


Message = Ready | Done[Outcome] | Died | Failed


class Team(Protocol[ItemIn, Outcome]):
    """Workers in processes or on a cluster. size: how many there should be."""

    size: int

    def start(self) -> None:
        """Begin to start one worker; it says Ready later."""
        ...

    def give(self, member: Member, item: ItemIn) -> None:
        """Let a free worker do an item."""
        ...

    def messages(self) -> list[tuple[Member, Message[Outcome]]]:
        """Return what workers said, after waiting for a moment at most."""
        ...


def run_all(
    team: Team[Item, Outcome], items: Iterable[Item], lost: Callable[[Item, str], Outcome]
) -> Iterator[Outcome]:
    """Yield what came of every item, as they end. Raises EdgessdError where no worker could go on.

    lost: returns what came of an item with which three workers died, and of the reason of the last: it is what kills
    them; or raises.
    """
    for _, _, outcome in _outcomes(team, items, lost, None):
        yield outcome


def run_in_order(
    team: Team[Item, Outcome], items: Iterable[Item], lost: Callable[[Item, str], Outcome], *, ahead: int
) -> Iterator[tuple[Item, Outcome]]:
    """Yield every item with what came of it, in their order. Raises what ``run_all`` does.

    ahead: items that are taken, at most, while the oldest is not done. So no more of them are in memory.
    """
    early: dict[int, tuple[Item, Outcome]] = {}
    turn = 0
    for number, item, outcome in _outcomes(team, items, lost, ahead):
        early[number] = item, outcome
        while turn in early:
            yield early.pop(turn)
            turn += 1


def _outcomes(
    team: Team[Item, Outcome], items: Iterable[Item], lost: Callable[[Item, str], Outcome], ahead: int | None
) -> Iterator[tuple[int, Item, Outcome]]:
    """Yield the number, the item and what came of it."""
    numbered = enumerate(items)
    waiting = deque(islice(numbered, team.size))
    taken = len(waiting)
    given, free = dict[Member, tuple[int, Item]](), deque[Member]()
    deaths: Counter[int] = Counter()
    stillborn = 0
    for _ in waiting:
        team.start()
    while waiting or given:
        for member, message in team.messages():
            task = given.pop(member, None)
            match message:
                case Failed():
                    raise message.error
                case Died():
                    stillborn = stillborn + 1 if task is None else 0
                    if stillborn >= _MOST_STILLBORN:
                        raise BackendError(f"{stillborn} workers died while loading the model: {message.reason}")
                    if member in free:
                        free.remove(member)
                    team.start()
                    if task is not None:
                        number, item = task
                        deaths[number] += 1
                        if deaths[number] >= _MOST_DEATHS:
                            yield *task, lost(item, f"{_MOST_DEATHS} workers died with it: {message.reason}")
                        else:
                            waiting.append(task)
                case Ready():
                    stillborn = 0
                    free.append(member)
                case Done():
                    free.append(member)
                    assert task is not None
                    yield *task, message.outcome
        while free:
            oldest = min((number for number, _ in (*given.values(), *waiting)), default=taken)
            if not waiting and (ahead is None or taken < oldest + ahead):
                waiting.extend(islice(numbered, 1))
                taken += len(waiting)
            if not waiting:
                break
            member = free.popleft()
            given[member] = waiting.popleft()
            team.give(member, given[member][1])
