"""One entry in a process of its own: its memory is its own, and when it dies the others go on.

The parent asks for one block at a time, so that only one entry computes at any moment.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from comparison.entry import Entry, Opened, Played
from comparison.opening import open_entry
from comparison.power import gpu_watts, joules
from edgessd.bench.measure import rss_mb
from edgessd.sources import Repeated, open_source
from edgessd.util.cores import usable_cores

OPENING_SECONDS = 400.0  # torch.compile and the exports take a minute on a busy machine
ANSWER_SECONDS = 120.0


@dataclass(frozen=True)
class Block:
    """Calls made one after the other. Seconds a frame; stages: resize, inference, postprocess, a row a call.

    cpu_seconds: a frame's, all threads. watts: of the processors, or of the GPU where the entry runs there; None
    where the machine does not tell.
    """

    seconds: list[float]
    stages: list[tuple[float, float, float]]
    cpu_seconds: float
    rss_mb: float
    watts: float | None

    @property
    def median(self) -> float:
        """Return the middle one of the seconds a frame."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Facts:
    """What an opened entry says of itself."""

    gmac: float | None
    precision: str
    device: str = "cpu"


class Worker:
    """An entry's process; use it in a with-block. ``failure`` is None as long as it answers."""

    def __init__(self, entry: Entry, frames_file: Path) -> None:
        self.entry = entry
        self.failure: str | None = None
        self.facts: Facts | None = None
        context = multiprocessing.get_context("spawn")
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, entry, str(frames_file)), daemon=True)
        self._process.start()
        theirs.close()

    def wait(self) -> None:
        """Wait until the entry is loaded."""
        self.facts = self._answer(OPENING_SECONDS)

    def block(self, seconds: float, most: int) -> Block | None:
        """Return the times of calls for about so many seconds, ``most`` at most; None when the entry failed."""
        return self._ask(("block", seconds, most))

    def play(self, video: Path, frames: int) -> Played | None:
        """Return what reading and detecting so many frames of a video took; None when the entry failed."""
        return self._ask(("play", video, frames))

    def _ask(self, question: tuple[Any, ...]) -> Any:
        if self.failure is not None:
            return None
        try:
            self._mine.send(question)
        except OSError:
            self.failure = "its process ended"
            return None
        return self._answer(ANSWER_SECONDS)

    def _answer(self, seconds: float) -> Any:
        try:
            if not self._mine.poll(seconds):
                self.failure = f"no answer within {seconds:.0f} s"
                self._process.kill()
                return None
            answer = self._mine.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            self.failure = f"its process ended with code {self._process.exitcode}"
            return None
        if isinstance(answer, str):
            self.failure = answer
            return None
        return answer

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._mine.send(None)
        self._mine.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()


def serve(parent: Connection, entry: Entry, frames_file: str) -> None:
    """Answer the parent's questions until it sends None: Facts first, then blocks; a string is a failure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _silence()
    try:
        frames = np.load(frames_file, mmap_mode="c")  # one copy in memory for all processes
        opened = open_entry(entry, np.asarray(frames[0]))
        parent.send(Facts(opened.gmac, opened.precision, opened.device))
        calls = 0
        while (question := parent.recv()) is not None:
            kind, *values = question
            if kind == "block":
                block = run_block(opened, frames, entry.batch, calls, *values)
                calls += len(block.seconds) * entry.batch
                parent.send(block)
            else:
                parent.send(play_video(opened, *values))
        opened.close()
    except (EOFError, BrokenPipeError):
        return  # the parent is gone
    # Every library raises its own classes; whatever it is, the entry's line says it and the others go on.
    except Exception as error:  # noqa: BLE001
        with suppress(OSError):
            parent.send(_one_line(error))


def _silence() -> None:
    """Keep the libraries' chatter out of the table; failures travel through the pipe."""
    empty = os.open(os.devnull, os.O_WRONLY)
    os.dup2(empty, 1)
    os.dup2(empty, 2)


def _one_line(error: Exception) -> str:
    text = (str(error).strip() or repr(error)).splitlines()[0]
    return f"{type(error).__name__}: {text[:200]}"


def run_block(opened: Opened, frames: np.ndarray, batch: int, first: int, seconds: float, most: int) -> Block:
    """Return the times of calls on the frames in turn, beginning at ``first``; one call before warms up.

    The warming call is left out where it takes longer than the block may: the block before was not long ago.
    """

    def images(index: int) -> list[Any]:
        return [np.asarray(frames[(index + offset) % len(frames)]) for offset in range(batch)]

    if most > 1:
        opened.call(images(first))
    times: list[float] = []
    stages: list[tuple[float, float, float]] = []
    meter, cpu, begin = joules(), process_time(), perf_counter()
    while len(times) < most and (not times or perf_counter() - begin < seconds):
        batch_images = images(first + len(times) * batch)
        start = perf_counter()
        spent = opened.call(batch_images)
        times.append((perf_counter() - start) / batch)
        stages.append((spent.resize / batch, spent.inference / batch, spent.postprocess / batch))
    cpu, elapsed, used = process_time() - cpu, perf_counter() - begin, joules()
    watts = (used - meter) / elapsed if used is not None and meter is not None else None
    if opened.device == "cuda":
        watts = gpu_watts()
    return Block(times, stages, cpu / len(times) / batch, rss_mb(), watts)


def play_video(opened: Opened, video: Path, frames: int) -> Played:
    """Return what so many frames of a video took, by the entry's own way or read and called one by one."""
    machine, own, begin = busy_seconds(), process_time(), perf_counter()
    played = opened.play(video, frames) if opened.play else play_one_by_one(opened.call, video, frames)
    others = (busy_seconds() - machine - (process_time() - own)) / (perf_counter() - begin)
    return Played(played.frames, played.seconds, played.cpu_seconds, played.stages, max(0.0, others))


def play_one_by_one(call: Callable[..., Any], video: Path, frames: int) -> Played:
    """Return what a loop of read and call takes; the first calls warm up."""
    warm_up = 5 if frames >= 10 else 0  # a slow one was warmed up by its blocks
    start = cpu = 0.0
    for index, frame in enumerate(Repeated(open_source(str(video))).frames()):
        if index == warm_up:
            start, cpu = perf_counter(), process_time()
        if index == warm_up + frames:
            break
        call([frame.image])
    return Played(frames, perf_counter() - start, process_time() - cpu)


def busy_seconds() -> float:
    """Return the CPU time that all processes of the machine have used, NaN where the system does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists() or usable_cores() != os.cpu_count():
        return float("nan")
    user, nice, system, _, _, irq, soft_irq, *_ = stat.read_text().splitlines()[0].split()[1:]
    return sum(int(ticks) for ticks in (user, nice, system, irq, soft_irq)) / os.sysconf("SC_CLK_TCK")
