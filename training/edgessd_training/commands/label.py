"""``edgessd label``: a model's boxes as first labels of new pictures."""

from pathlib import Path
from typing import Annotated

import typer

from edgessd.commands.options import Backend, Model


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
) -> None:
    """Pre-label a folder of pictures or a video's frames. Labels that are there are never overwritten."""
    from edgessd.detector import Detector
    from edgessd.errors import InputError
    from edgessd.model.postprocess import PostProcess
    from edgessd.util.console import PlainConsole
    from edgessd.util.exit import stop_on_signals
    from edgessd.util.files import make_folder
    from edgessd.util.progress import image_progress
    from edgessd_training.prelabel.formats import FORMATS
    from edgessd_training.prelabel.label import label as run

    if format_ not in FORMATS:
        raise InputError(f"--format is one of {', '.join(FORMATS)}, got {format_!r}")
    least, by_label = _scores(score or [])
    settings = PostProcess(score=least, class_scores=by_label)
    console = PlainConsole()
    with stop_on_signals(), Detector(model, backend=backend, settings=settings) as detector:
        make_folder(out)
        with image_progress("label", None) as progress:
            done = run(data, detector, FORMATS[format_](), out, every, lambda: progress.count(1))
    boxes = ", ".join(f"{name} {count}" for name, count in done.boxes.most_common()) or "nothing found"
    console.print(f"{out}: {done.pictures} pictures labelled as {format_}: {boxes}")
    for why in dict.fromkeys(left.why for left in done.left):
        names = [left.name for left in done.left if left.why == why]
        console.print(f"{len(names)} left out, such as {names[0]}: {why}")
    if done.pictures:
        console.print(f"look at {out / 'sheet.jpg'}, correct the labels, then: edgessd train {out}")


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
