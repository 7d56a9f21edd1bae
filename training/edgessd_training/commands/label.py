"""``edgessd label``: a model's boxes as first labels of new pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.commands.options import Backend, Model
from edgessd_training.commands.ray_option import Ray

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from edgessd.model.postprocess import PostProcess
    from edgessd_training.picture_workers import Look

PICTURES_A_TASK = 2  # of a cluster; a video's frames are in memory until they are done


def label(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A folder of pictures, or a video.")],
    out: Annotated[Path, typer.Option(help="The folder for labels, pictures and sheet.jpg.")],
    model: Model = "default",
    format_: Annotated[str, typer.Option("--format", help="voc, yolo, coco or label-studio.")] = "voc",
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="S|LABEL=S", help="Lowest score, of all or of one label; repeatable.", show_default="the model's"
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a video every n-th frame.")] = 10,
    backend: Backend = "auto",
    ray: Ray = None,
) -> None:
    """Pre-label a folder of pictures or a video's frames. Labels that are there are never overwritten."""
    from edgessd.errors import InputError
    from edgessd.model.card import card_of
    from edgessd.model.postprocess import PostProcess
    from edgessd.model.shipped import model_path
    from edgessd.util.console import PlainConsole
    from edgessd.util.files import make_folder, status
    from edgessd.util.progress import image_progress
    from edgessd_training.prelabel.formats import FORMATS
    from edgessd_training.prelabel.label import label as run

    if format_ not in FORMATS:
        raise InputError(f"--format is one of {', '.join(FORMATS)}, got {format_!r}")
    least, by_label = _scores(score or [])
    settings = PostProcess(score=least, class_scores=by_label)
    console = PlainConsole()
    labels = card_of(model_path(model)).labels
    with _looking(model, backend, settings, ray) as look:
        if status(out):
            make_folder(out)  # one that is not there is made with the first picture
        with image_progress("label", None) as progress:
            done = run(data, look, labels, FORMATS[format_](), out, every, lambda: progress.count(1))
    boxes = ", ".join(f"{name} {count}" for name, count in done.boxes.most_common()) or "nothing found"
    console.print(f"{out}: {done.pictures} pictures labelled as {format_}: {boxes}")
    for why in dict.fromkeys(left.why for left in done.left):
        names = [left.name for left in done.left if left.why == why]
        console.print(f"{len(names)} left out, such as {names[0]}: {why}")
    if done.pictures:
        console.print(f"look at {out / 'sheet.jpg'}, correct the labels, then: edgessd train {out}")


def _looking(model: str, backend: str, settings: "PostProcess", ray: str | None) -> "AbstractContextManager[Look]":
    """Return what detects in pictures, here or on a Ray cluster."""
    from edgessd_training.picture_workers import looking_here, looking_on_ray

    if ray is None:
        return looking_here(model, backend, settings)
    return looking_on_ray(model, ray, backend=backend, settings=settings, size=PICTURES_A_TASK)


def _scores(texts: list[str]) -> tuple[float | None, dict[str, float]]:
    """Return the score of all labels and those of single ones. Raises InputError."""
    from edgessd.errors import InputError

    least, by_label = None, {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            raise InputError(f"--score is a number or LABEL=NUMBER, got {text!r}") from None
        if equals:
            by_label[name] = number
        else:
            least = number
    return least, by_label
