"""``edgessd data priors``: which priors, or which input size, the labels ask for."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgessd_training.data.records import DataSet
    from edgessd_training.samples.prior_fit import Array


def priors(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A folder or a zip of labelled images, or voc:ROOT@SPLIT and the like."),
    ],
    recipe: Annotated[
        str,
        typer.Option(help="The recipe whose network is asked about, such as ssdlite_mobilenet_v2."),
    ] = "transfer",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; repeatable.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many shapes to propose.")] = 12,
    out: Annotated[
        Path | None, typer.Option(metavar="F.toml", help="Write the tables here.", show_default="printed")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw boxes and priors.", show_default="none")
    ] = None,
) -> None:
    """Propose priors and an input size for labels that the defaults miss."""
    from edgessd.errors import InputError
    from edgessd.util.extras import need
    from edgessd.util.files import writable
    from edgessd.util.overwrite import keep_apart
    from edgessd_training.recipe_file import read_recipe, recipe_path
    from edgessd_training.samples.prior_fit import boxes_of

    need("torch", "train")
    path = recipe_path(recipe)
    keep_apart({"--out": out, "--picture": picture}, [data, path])
    for place in filter(None, (out, picture)):
        writable(place)
    network = dict(read_recipe(path, set_ or []).network)
    boxes_xyxy = boxes_of(_read(data))
    if not len(boxes_xyxy):
        raise InputError(f"{data} has no box", fix="there is nothing to fit to")
    if network["family"] == "picodet_s":
        if out or picture:
            raise InputError(
                "picodet_s has no priors to choose, its boxes are told as distances",
                fix="leave --out and --picture out, or name another recipe, such as ssdlite_mobilenet_v2",
            )
        _tell_size(boxes_xyxy, network)
    else:
        _tell_priors(boxes_xyxy, network, count, out, picture)


def _read(data: str) -> "DataSet":
    from edgessd_training.data.prepare import prepare
    from edgessd_training.data.read import read_data
    from edgessd_training.data.source import FORMATS

    if data.partition(":")[0] in FORMATS:
        return read_data(data)
    with TemporaryDirectory() as folder:
        return read_data(prepare(data, Path(folder)).train)


def _tell_size(boxes_xyxy: "Array", network: dict[str, Any]) -> None:
    import numpy as np

    from edgessd.util.console import say
    from edgessd_training.run.plan import LEAST_SIDE, SIZES, input_size

    sides = np.sqrt((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1))
    say(f"picodet_s tells boxes as distances and has no priors; a box needs about {LEAST_SIDE:g} pixels of the input")
    rows = [
        (f"{size}", [f"{np.mean(sides * size >= LEAST_SIDE):.1%}", f"{np.median(sides) * size:.0f}"]) for size in SIZES
    ]
    _print(("input size", "boxes that large", "pixels of the median box"), rows)
    size = input_size(sides)
    say(f"proposed, and what `edgessd train DATA` takes by itself: --set network.input_size={size}")


def _tell_priors(
    boxes_xyxy: "Array", network: dict[str, Any], count: int, out: Path | None, picture: Path | None
) -> None:
    from edgessd.util.console import say
    from edgessd.util.files import write_text
    from edgessd_training.samples.prior_fit import BANDS, MATCHED, bands_of, default_fit, propose, toml_of

    before, after = default_fit(network, boxes_xyxy), propose(network, boxes_xyxy, count)
    bands = bands_of(boxes_xyxy)
    edges = ("0", *(f"{100 * edge:g}" for edge in BANDS), "100")
    rows = []
    for band in range(len(BANDS) + 1):
        inside = bands == band
        if inside.any():
            found = (int(fit.matched[inside].sum()) for fit in (before, after))
            rows.append((f"{edges[band]} to {edges[band + 1]}%", [str(int(inside.sum())), *map(str, found)]))
    totals = [str(len(boxes_xyxy)), *(str(int(fit.matched.sum())) for fit in (before, after))]
    say(f"boxes that a prior overlaps by {MATCHED:g} or more, by size (root of the area, of the image's)")
    _print(("size", "boxes", "default", "proposed"), [*rows, ("all", totals)])
    say(f"priors: {len(before.spec)} by default, {len(after.spec)} proposed")
    if picture:
        from edgessd_training.pictures.plots import plot_priors

        plot_priors(picture, boxes_xyxy, before.spec, after.spec)
        say(f"wrote {picture}")
    if after.share <= before.share:
        say("the default priors are as good: keep them")
        return
    say("in a recipe, in place of its [network] table:")
    if out:
        write_text(out, toml_of(after))
        say(f"wrote {out}")
    else:
        typer.echo(f"\n{toml_of(after)}", nl=False)


def _print(names: tuple[str, ...], rows: list[tuple[str, list[str]]]) -> None:
    from rich.table import Table

    from edgessd.util.console import PlainConsole

    table = Table(box=None, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index else "left")
    for name, cells in rows:
        table.add_row(name, *cells)
    PlainConsole(soft_wrap=False).print(table)
