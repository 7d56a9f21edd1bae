"""A progress line for images on a terminal; nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ImageProgress:
    """Counts finished images."""

    def __init__(self, name: str, bar: Progress, total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task(name, total=total, rate="")
        self._start = monotonic()
        self.images = 0

    def expect(self, total: int) -> None:
        """Say how many images there are."""
        self._bar.update(self._task, total=total)

    def count(self, images: int) -> None:
        """Add finished images."""
        self.images += images
        self._bar.update(self._task, advance=images, rate=f"{self.rate:.1f} img/s")

    @property
    def rate(self) -> float:
        """Return the mean images per second."""
        return self.images / max(monotonic() - self._start, 1e-9)


@contextmanager
def image_progress(name: str, total: int | None) -> Iterator[ImageProgress]:
    """Yield a counter; the line shows images per second and the time left. total: None until ``expect``."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield ImageProgress(name, bar, total)
