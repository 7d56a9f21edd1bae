"""A progress line on a terminal: frames of a source or images of a data set, their rate and the time left."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edgessd.util.console import PlainConsole
from edgessd.util.outside_text import NAME, outside_text


class Counter:
    """Counts what is done; draws a bar where standard error is a terminal."""

    def __init__(self, name: str, bar: Progress, total: int | None, unit: str) -> None:
        self.done = 0
        self._name = outside_text(name, NAME)
        self._bar = bar
        self._unit = unit
        self._task = bar.add_task(self._name, total=total, rate="")
        self._start = monotonic()

    def expect(self, total: int) -> None:
        """Say how many there are."""
        self._bar.update(self._task, total=total)

    def count(self, more: int = 1) -> None:
        """Add what was finished."""
        self.done += more
        self._bar.update(self._task, advance=more, rate=f"{self.rate:.1f} {self._unit}")

    @property
    def rate(self) -> float:
        """Return how many a second, on average since the first."""
        return self.done / max(monotonic() - self._start, 1e-9)

    def summary(self, text: str) -> None:
        """Print frames, rate and the text, once, on a terminal or not."""
        self._bar.stop()
        self._bar.console.print(f"{self._name}: {self.done} frames, {self.rate:.1f} {self._unit}, {text}")


@contextmanager
def frame_progress(name: str, total: int | None, unit: str = "FPS") -> Iterator[Counter]:
    """Yield a counter of frames. total: how many there should be, None when nobody knows."""
    console = PlainConsole(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Counter(name, bar, total, unit)


def image_progress(name: str, total: int | None) -> AbstractContextManager[Counter]:
    """Return a counter of images. total: None until ``expect``."""
    return frame_progress(name, total, "img/s")
