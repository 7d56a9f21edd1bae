"""A progress line for frames on a terminal, and one line of summary everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edgessd.util.console import PlainConsole
from edgessd.util.outside_text import NAME, outside_text


class FrameProgress:
    """Counts frames; draws a bar where standard error is a terminal."""

    def __init__(self, name: str, bar: Progress, total: int | None) -> None:
        self.frames = 0
        self._name = outside_text(name, NAME)
        self._bar = bar
        self._task = bar.add_task(self._name, total=total, fps="")
        self._start = monotonic()

    def advance(self) -> None:
        """Count one frame."""
        self.frames += 1
        self._bar.update(self._task, advance=1, fps=f"{self.fps:.1f} FPS")

    @property
    def fps(self) -> float:
        """Return the mean frames per second since the first."""
        return self.frames / max(monotonic() - self._start, 1e-9)

    def summary(self, text: str) -> None:
        """Print frames, rate and the text, once."""
        self._bar.stop()
        line = f"{self._name}: {self.frames} frames, {self.fps:.1f} FPS, {text}"
        self._bar.console.print(line)


@contextmanager
def frame_progress(name: str, total: int | None) -> Iterator[FrameProgress]:
    """Yield a counter of frames. total: how many there should be, None when nobody knows."""
    console = PlainConsole(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield FrameProgress(name, bar, total)
