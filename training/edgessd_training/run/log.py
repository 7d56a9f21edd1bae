"""What a run leaves to look at: CSV rows, TensorBoard, a progress bar. All on the first process alone."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from edgessd.util.console import PlainConsole
from edgessd.util.files import write_text
from edgessd_training.loop.training import Progress, Row
from edgessd_training.run.folder import RunFolder
from edgessd_training.run.judge import Verdict
from edgessd_training.run.scalars import Scalars
from edgessd_training.samples.loader import Plan

EPOCHS = ("epoch", "batch", "loss", "metric", "value", "seconds")


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


@dataclass(frozen=True)
class RunLog:
    """Where a run writes what it measures: a row a batch, a row an evaluated epoch, curves."""

    plan: Plan
    steps: Table
    epochs: Table
    bar: Bar
    scalars: Scalars

    def batch(self, row: Row) -> None:
        """Log one batch."""
        self.steps.append(row._asdict())
        note = f"epoch {row.epoch + 1}, loss {row.loss:.3f}, {self.plan.batch_size / row.seconds:.1f} img/s"
        self.bar.update(self.bar.task_ids[0], advance=1, note=note)
        for name in ("loss", "score_loss", "box_loss", "lr"):
            self.scalars.add(f"train/{name}", getattr(row, name), row.batch)

    def unjudged(self, batch: int) -> list[float] | None:
        """Return the losses of an epoch that ended with a batch and has no row: its evaluation failed; else None."""
        if any(int(row["batch"]) == batch for row in self.epochs.rows()):
            return None
        epoch = str(batch // self.plan.batches_per_epoch)
        return [float(row["loss"]) for row in self.steps.rows() if row["epoch"] == epoch]

    def epoch(self, epoch: int, losses: Sequence[float], verdict: Verdict, progress: Progress) -> None:
        """Log an evaluated epoch, counted from 0. losses: of its batches."""
        metric, value, _, seconds = verdict
        mean = sum(losses) / max(1, len(losses))
        row = {"epoch": epoch + 1, "batch": progress.done - 1, "loss": mean, "metric": metric, "value": value}
        self.epochs.append({**row, "seconds": seconds})
        self.scalars.add(f"val/{metric}", value, progress.done)
        best = f"best {progress.best:.4f}; best.pt is of epoch {progress.best_epoch}"
        text = f"epoch {epoch + 1}/{self.plan.epochs}: loss {mean:.3f}, {metric} {value:.4f} ({best})"
        self.bar.console.print(text)


@contextmanager
def run_log(folder: RunFolder, plan: Plan, done: int, *, enabled: bool) -> Iterator[RunLog | None]:
    """Yield the log of a run that has ``done`` batches behind it, or None; rows of later batches are dropped."""
    if not enabled:
        yield None
        return
    steps, epochs = Table(folder.steps, Row._fields), Table(folder.epochs, EPOCHS)
    for table in (steps, epochs):
        table.keep_below("batch", done)
    console = PlainConsole(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        bar.add_task("training", total=plan.epochs * plan.batches_per_epoch, completed=done, note="")
        scalars = Scalars(folder.tensorboard, done)
        try:
            yield RunLog(plan, steps, epochs, bar, scalars)
        finally:
            scalars.close()
