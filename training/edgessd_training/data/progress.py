"""A progress line for images on a terminal; nothing elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def image_progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that counts finished images; the line shows images per second and the time left."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    start = monotonic()
    done = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total, rate="")

        def count(images: int) -> None:
            nonlocal done
            done += images
            bar.update(task, advance=images, rate=f"{done / max(monotonic() - start, 1e-9):.1f} img/s")

        yield count
