"""What a run leaves to look at: CSV rows, TensorBoard, a progress bar. All on the first process alone."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edgessd.util.files import write_text


class Table:
    """A CSV file that grows by rows and is cut back when a run resumes before its end."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)
        if not path.exists():
            write_text(path, ",".join(self.columns) + "\n")

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; it is on disk when this returns."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow([row.get(column, "") for column in self.columns])

    def rows(self) -> list[dict[str, str]]:
        """Return the whole rows of the file; a kill may have cut the last one short."""
        with self.path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if None not in row.values()]

    def keep_below(self, column: str, limit: int) -> None:
        """Drop the rows whose column is at or above the limit: they will be written again."""
        kept = [row for row in self.rows() if int(row[column]) < limit]
        lines = [",".join(self.columns), *(",".join(row[name] for name in self.columns) for row in kept)]
        write_text(self.path, "\n".join(lines) + "\n")


class Bar:
    """The progress bar: images a second and the time left."""

    def __init__(self, progress: Progress, total: int, done: int) -> None:
        self._progress = progress
        self._task = progress.add_task("training", total=total, completed=done, note="")

    def advance(self, note: str) -> None:
        """Count one batch. note: what stands behind the bar."""
        self._progress.update(self._task, advance=1, note=note)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def training_bar(total: int, done: int, *, shown: bool) -> Iterator[Bar]:
    """Yield a bar over the batches of the run; only its lines where standard error is no terminal."""
    console = Console(stderr=True, quiet=not shown)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, total, done)


@contextmanager
def tensorboard(folder: Path, first_batch: int, *, enabled: bool) -> Iterator[Any]:
    """Yield a SummaryWriter, or None where there is nothing to write; rows from ``first_batch`` on are replaced."""
    if not enabled:
        yield None
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=first_batch)
    try:
        yield writer
    finally:
        writer.close()
