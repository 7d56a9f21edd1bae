"""A build's phases on a terminal; silence elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from edgessd.util.console import PlainConsole


class BuildProgress:
    """One bar for each phase in progress, indented below the phase it belongs to."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, tuple[int, int]] = {}  # phase: (task, depth)

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """Show a phase with its number of steps."""
        depth = self._tasks[parent][1] + 1 if parent in self._tasks else 0
        task = self._bars.add_task("  " * depth + phase, total=steps or None)
        self._tasks[phase] = (int(task), depth)

    def step(self, phase: str, step: int) -> None:
        """Advance a phase to a step, counted from 0."""
        if phase in self._tasks:
            self._bars.update(self._tasks[phase][0], completed=step + 1)  # type: ignore[arg-type]

    def finish(self, phase: str) -> None:
        """Take a phase away."""
        task = self._tasks.pop(phase, None)
        if task:
            self._bars.remove_task(task[0])  # type: ignore[arg-type]


@contextmanager
def build_progress() -> Iterator[BuildProgress]:
    """Yield the phases' display, on standard error where that is a terminal."""
    console = PlainConsole(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield BuildProgress(bars)
