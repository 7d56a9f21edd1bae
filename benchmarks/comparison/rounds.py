"""Entries in turns: every round lets each one run a block, so that a busy spell of the machine meets all alike."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from comparison.entry import Entry, Played
from comparison.worker import Block, Facts, Worker


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
    """

    rounds: int = 5
    seconds: float = 0.8
    most: int = 200
    video_frames: int = 120
    slow: float = 0.25


def run_rounds(
    entries: Sequence[Entry],
    frames_file: Path,
    video: Path,
    plan: Plan,
    said: Callable[[str], object] = lambda text: None,
) -> list[Series]:
    """Return the series of every entry, in order. said: told what goes on."""
    with ExitStack() as stack:
        series: list[Series] = []
        workers: list[Worker] = []
        for entry in entries:
            said(f"loading {entry.name}")
            worker = stack.enter_context(Worker(entry, frames_file))
            worker.wait()
            workers.append(worker)
            series.append(Series(entry, worker.facts))
        order = list(range(len(entries)))
        for number in range(plan.rounds):
            # Forwards, then backwards: who runs after whom changes.
            for index in order if number % 2 == 0 else reversed(order):
                said(f"round {number + 1} of {plan.rounds}: {entries[index].name}")
                series[index].blocks.append(workers[index].block(plan.seconds, plan.most))
                if plan.video_frames and entries[index].batch == 1:
                    series[index].played.append(_play(workers[index], series[index], video, plan, number))
        for index, worker in enumerate(workers):
            series[index].failure = worker.failure
        return series


def _play(worker: Worker, series: Series, video: Path, plan: Plan, number: int) -> Played | None:
    block = series.blocks[-1]
    if block is None or worker.entry.family == "bare":
        return None
    if block.median <= plan.slow:
        # A second or so of a fast entry; what is slower gets fewer frames, never less than ten.
        return worker.play(video, max(10, min(plan.video_frames, int(2 / block.median))))
    return worker.play(video, 2) if number == 0 else None


def median(values: Sequence[float]) -> float:
    """Return the middle value; NaN for none."""
    return float(np.median(values)) if len(values) else float("nan")
