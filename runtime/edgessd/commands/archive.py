"""``edgessd archive``: thousands of videos and pictures, each to a file of detections."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.commands.options import Backend, Classes, Model, Score, split_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgessd.archive.job import Item, Outcome, Settings
    from edgessd.archive.team import Team


def archive(
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Videos, pictures, folders, @LIST files, or fsspec URLs.")
    ],
    out: Annotated[str, typer.Option(help="A folder or an fsspec URL; the same one again goes on.")],
    model: Model = "default",
    backend: Backend = "auto",
    format: Annotated[str, typer.Option(help="parquet (a row a detection) or jsonl (a line a frame).")] = "parquet",
    score: Score = None,
    classes: Classes = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=4096, help="Files in work at once.", show_default="the cores; with a GPU one each"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Work on a Ray cluster: its address, auto, or local.", show_default="this machine"
        ),
    ] = None,
) -> None:
    """Detect in every file once, over all cores or a cluster; a broken file is listed and stops nothing.

    A file is known by its name and content: what is complete is not done again.
    """
    from edgessd.archive.job import Outcome, Settings
    from edgessd.archive.manifest import Manifest
    from edgessd.archive.places import items_in
    from edgessd.archive.team import run_all
    from edgessd.errors import InputError
    from edgessd.model.card import card_of
    from edgessd.model.shipped import model_path
    from edgessd.sources.address import redact_url

    path = model_path(model)
    card = card_of(path)
    wanted = split_labels(classes, card.labels)
    settings = Settings(out, str(path) if Path(model).exists() else model, backend, format, score, wanted)
    settings.post_process.thresholds(card.labels, card.thresholds)  # an unknown class is told now
    settings.check_format()
    start = monotonic()
    items, others = items_in(sources, out)
    if not items:
        raise InputError("no video or picture among the sources", fix="see `edgessd archive --help` for their suffixes")
    with Manifest(settings) as manifest, ExitStack() as stack:
        left = [item for item in items if not manifest.is_done(item)]
        try:
            if left:
                team = _team(stack, settings, workers, ray, gpu=path.suffix == ".engine")
                with _progress(len(items), len(items) - len(left)) as advance:
                    for outcome in run_all(team, left, Outcome.broken):
                        manifest.add(outcome)
                        advance(outcome)
        finally:
            totals = manifest.summary(items, others, monotonic() - start)
    again = len(items) - len(left)
    typer.echo(
        f"{totals['done']} of {len(items)} files done ({again} before), {len(totals['broken'])} broken, "
        f"{totals['frames']} frames, {sum(totals['detections'].values())} detections; {redact_url(out)}/summary.json"
    )
    if others:
        typer.echo(f"{len(others)} other files were not read, see not_read there", err=True)


def _team(
    stack: ExitStack, settings: "Settings", workers: int | None, ray: str | None, *, gpu: bool
) -> "Team[Item, Outcome]":
    from functools import partial

    from edgessd.archive.cluster import Actors
    from edgessd.archive.processes import Processes
    from edgessd.archive.worker import Worker
    from edgessd.util.cores import usable_cores

    if ray is not None:
        return stack.enter_context(Actors(partial(Worker, settings), ray, workers, gpu=gpu))
    return stack.enter_context(Processes(partial(Worker, settings), workers or (1 if gpu else usable_cores())))


@contextmanager
def _progress(total: int, before: int) -> "Iterator[Callable[[Outcome], None]]":
    """Yield what counts one outcome: a bar with the time left on a terminal, a line for each broken file everywhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from edgessd.archive.job import State
    from edgessd.util.console import PlainConsole
    from edgessd.util.outside_text import NAME, outside_text

    console = PlainConsole(stderr=True)
    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("files", total=total, completed=before)

        def advance(outcome: "Outcome") -> None:
            bar.update(task, advance=1)
            if outcome.state is State.BROKEN:
                console.print(f"broken: {outside_text(outcome.name, NAME)}: {outcome.note}")

        yield advance
