"""``edgessd train``: labelled images, with a recipe or without, become a checkpoint."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.util.console import say

if TYPE_CHECKING:
    from edgessd_training.recipe import Recipe


def train(
    what: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Labelled images: a folder or a zip as annotation tools write them (VOC, LabelImg, Roboflow, CVAT, "
            "COCO, YOLO). With --data and --val: a recipe's TOML file or name.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Train on this, by the recipe given first: voc:ROOT@SPLIT, coco:ANNOTATIONS.json@IMAGES or "
            "yolo:DATA.yaml@SPLIT.",
            show_default="DATA",
        ),
    ] = None,
    val: Annotated[
        str | None, typer.Option(help="Images to judge on; best.pt is the best on these.", show_default="held out")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder: checkpoints, state, CSV, plots, report.", show_default="runs/NAME"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out where it was stopped or killed.")
    ] = False,
    recipe: Annotated[
        str | None, typer.Option(help="A recipe's file or name.", show_default="transfer, fitted to the data")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe: optimizer.lr=0.01."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, max=100_000, help="About how long it may take.", show_default="8; 25 from 100 images"),
    ] = None,
) -> None:
    """Train a detector: `edgessd train DATA`. The run folder then holds best.pt, ready for `edgessd quantize`."""
    from edgessd.errors import InputError
    from edgessd.util.extras import need

    need("torch", "train")
    need("lightning_fabric", "train")
    if (data is None) != (val is None):
        given, missing = ("--data", "--val") if val is None else ("--val", "--data")
        raise InputError(f"{given} goes with {missing}", fix="or give the data first: edgessd train DATA")
    if data is not None and val is not None:
        if recipe or minutes:
            raise InputError("with --data and --val the recipe stands first", fix="leave --recipe and --minutes out")
        if out is None:
            raise InputError("a run by a recipe needs --out", fix="name a folder")
        _by_recipe(what, data, val, out, resume=resume, changes=set_ or [])
    else:
        _on_own_data(what, out, recipe, set_ or [], minutes, resume=resume)


def _by_recipe(recipe: str, data: str, val: str, out: Path, *, resume: bool, changes: list[str]) -> None:
    from edgessd_training.recipe_file import read_recipe, recipe_path
    from edgessd_training.run.hardware import by_torchrun
    from edgessd_training.run.train import train as train_run

    if by_torchrun():  # which ends its processes so, also amid a collective call, where Python's handler would wait
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    path = recipe_path(recipe)
    chosen = read_recipe(path, changes)
    _warn_of_slow_bf16(chosen)
    options = ("--data", data, "--val", val, "--out", str(out), *(part for text in changes for part in ("--set", text)))
    with _told_to_go_on(out, recipe, *options):
        folder = train_run(chosen, data, val, out, resume=resume, folders=(Path(), path.parent))
    say(f"trained: {folder.best} is the best on {val}; next: {next_command(folder.best, chosen.quantisation.variant)}")


@contextmanager
def _told_to_go_on(folder: Path, *arguments: str) -> Iterator[None]:
    """Say after a stop which command goes on with the run, where it has saved what to go on from."""
    from edgessd_training.run.folder import RunFolder

    try:
        yield
    except KeyboardInterrupt:
        if RunFolder(folder).state.exists():
            say(f"go on with: {shlex.join(['edgessd', 'train', *arguments, '--resume'])}")
        raise


def next_command(best: Path, variant: str) -> str:
    """Return the command that makes a model file of a run's best checkpoint. variant: of its training in int8."""
    verb = "export" if variant == "none" else f"quantize --precision int8 --for {variant}"
    return f"edgessd {verb} {best} --out model.onnx"


def _warn_of_slow_bf16(recipe: "Recipe") -> None:
    from edgessd_training.run.hardware import bf16_is_fast, runs_on_cpu

    if recipe.hardware.precision == "bf16" and runs_on_cpu(recipe.hardware) and not bf16_is_fast("cpu"):
        say(
            "warning: this CPU imitates bf16, which takes some 15 times as long as fp32: "
            "--set hardware.precision=auto, which takes bf16 where it is fast",
            err=True,
        )


def _on_own_data(
    data: str, out: Path | None, recipe: str | None, changes: list[str], minutes: float | None, *, resume: bool
) -> None:
    from edgessd.errors import InputError
    from edgessd.util.console import PlainConsole
    from edgessd_training.run.own_data import new_folder, next_commands, read_plan, train_on

    if resume and out is None:
        raise InputError("--resume needs the run's folder", fix="give it with --out")
    place = out or new_folder(data)
    console = PlainConsole()
    with _told_to_go_on(place, data, "--out", str(place)):
        folder = train_on(
            data, place, recipe=recipe, changes=changes, minutes=minutes, resume=resume, say=console.print
        )
    console.print("next:")
    for command in next_commands(folder, read_plan(folder)):
        console.print(f"  {command}")
