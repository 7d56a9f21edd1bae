"""``edgessd data show``: people look rather than read."""

from pathlib import Path

import typer

from edgessd.util.console import say


def show(
    data: str = typer.Argument(
        ..., help="voc:ROOT@SPLIT, coco:ANNOTATIONS.json@IMAGES or yolo:DATA.yaml@SPLIT.", metavar="DATA"
    ),
    out: Path = typer.Option(..., "--out", help="The picture to write, .png or .jpg."),
    recipe: str = typer.Option(
        "", "--recipe", help="Augment, resize and match as this recipe does; the paper's SSD300 otherwise."
    ),
    set_: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Change a key of the recipe; repeatable."),
    count: int = typer.Option(24, "--count", metavar="N", min=1, max=200, help="How many samples."),
    epoch: int = typer.Option(0, "--epoch", metavar="N", min=0, help="The samples of which epoch."),
) -> None:
    """Draw augmented training samples with their boxes and matched priors (white) on one sheet."""
    from edgessd.util.extras import need

    need("cv2", "eval")
    from edgessd.errors import InputError
    from edgessd.sinks.images import write_image
    from edgessd.util.overwrite import keep_apart
    from edgessd_training.data.read import read_data
    from edgessd_training.pictures.sheet import contact_sheet
    from edgessd_training.samples.from_recipe import default_maker, recipe_maker

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--out must end in .png or .jpg, got {out}")
    keep_apart({"--out": out}, [data, recipe or None])
    data_set = read_data(data)
    maker = recipe_maker(recipe, set_, data_set) if recipe else default_maker(data_set)
    picture = contact_sheet(maker, data_set.labels, count, epoch)
    write_image(out, picture)
    say(f"{out}: {count} samples of {data}; boxes in colours, matched priors white")
