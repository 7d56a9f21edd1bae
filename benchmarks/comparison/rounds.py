"""Entries in turns: every round lets each one run a block, so that a busy spell of the machine meets all alike."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np

from comparison.entry import Entry, Played
from comparison.worker import Block, Facts, Worker
from edgessd.util.cores import usable_cores

LEAST_ROUNDS = 2
PLAYERS = ("edgessd", "opencv", "torch", "torchvision", "yolo2016", "ultralytics")  # what makes detections of a video


@dataclass
class Series:
    """What one entry gave. blocks, played: by round, None where it gave nothing. failure: why it stopped."""

    entry: Entry
    facts: Facts | None = None
    blocks: list[Block | None] = field(default_factory=list)
    played: list[Played | None] = field(default_factory=list)
    failure: str | None = None


@dataclass(frozen=True)
class Plan:
    """How much to run. seconds: of a block; most: calls in a block at most; video_frames: 0 leaves the video out.

    slow: an entry whose frame takes longer (seconds) plays no video in rounds but the first, with few frames.
    minutes: after so many no further round begins, as soon as there are two.
    """

    rounds: int = 5
    seconds: float = 0.8
    most: int = 200
    video_frames: int = 120
    slow: float = 0.25
    minutes: float = 12.0


def run_rounds(
    entries: Sequence[Entry],
    frames_file: Path,
    video: Path,
    plan: Plan,
    said: Callable[[str], object] = lambda text: None,
) -> list[Series]:
    """Return the series of every entry, in order. said: told what goes on."""
    begin = monotonic()
    with ExitStack() as stack:
        workers = load(entries, frames_file, stack, said)
        series = [Series(worker.entry, worker.facts) for worker in workers]
        order = list(range(len(entries)))
        for number in range(plan.rounds):
            if number >= LEAST_ROUNDS and monotonic() - begin > 60 * plan.minutes:
                break
            # Forwards, then backwards: who runs after whom changes.
            for index in order if number % 2 == 0 else reversed(order):
                said(f"round {number + 1} of {plan.rounds}: {entries[index].name}")
                one, worker = series[index], workers[index]
                one.blocks.append(worker.block(plan.seconds, _most(one, plan)))
                if plan.video_frames and entries[index].batch == 1 and worker.entry.family in PLAYERS:
                    one.played.append(_play(worker, one, video, plan, number))
        for one, worker in zip(series, workers, strict=True):
            one.failure = worker.failure
        return series


def load(entries: Sequence[Entry], frames_file: Path, stack: ExitStack, said: Callable[[str], object]) -> list[Worker]:
    """Return the loaded workers; as many load at once as there are cores."""
    workers: list[Worker] = []
    loading: deque[Worker] = deque()
    for entry in entries:
        if len(loading) == usable_cores():
            loading.popleft().wait()
        said(f"loading {entry.name}")
        worker = stack.enter_context(Worker(entry, frames_file))
        workers.append(worker)
        loading.append(worker)
    for worker in loading:
        worker.wait()
    return workers


def _most(series: Series, plan: Plan) -> int:
    """Return the calls of the next block: a single one, without a warming one, where a call alone outlasts it."""
    last = series.blocks[-1] if series.blocks else None
    return 1 if last and last.median * series.entry.batch > plan.seconds else plan.most


def _play(worker: Worker, series: Series, video: Path, plan: Plan, number: int) -> Played | None:
    block = series.blocks[-1]
    if block is None:
        return None
    if block.median <= plan.slow:
        # A second or so of a fast entry; what is slower gets fewer frames, never less than ten.
        return worker.play(video, max(10, min(plan.video_frames, int(1.2 / block.median))))
    return worker.play(video, 2) if number == 0 else None


def median(values: Sequence[float]) -> float:
    """Return the middle value; NaN for none."""
    return float(np.median(values)) if len(values) else float("nan")
