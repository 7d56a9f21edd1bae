"""``edgessd data``: what a data set holds and what is wrong with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgessd_training.commands.metric_options import Json

if TYPE_CHECKING:
    from edgessd_training.data.check import Checked
    from edgessd_training.data.repair import Repaired

app = typer.Typer(name="data", help="Check and look at labelled images.", no_args_is_help=True)

EXAMPLES = 3


@app.command("check")
def check(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA...",
            help="voc:ROOT@SPLIT, coco:ANNOTATIONS.json@IMAGES or yolo:DATA.yaml@SPLIT; "
            "give all splits to find images that two of them share.",
        ),
    ],
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a repaired copy into this new folder; the data stay as they are.",
            show_default="no copy",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Text, a label a line: any other is a fault.", show_default="the data set's own list"),
    ] = None,
    as_json: Json = None,
) -> None:
    """Look for broken images and boxes, unknown labels, and images in two splits; exit 1 when there are any."""
    from edgessd.errors import DataError
    from edgessd.util.cores import usable_cores
    from edgessd.util.files import writable, write_text
    from edgessd.util.overwrite import keep_apart
    from edgessd.util.progress import image_progress
    from edgessd_training.data.check import check as run
    from edgessd_training.data.read import read_labels
    from edgessd_training.data.repair import refuse_folder, repair
    from edgessd_training.data.source import parse_source
    from edgessd_training.data.text import to_json

    sources = [parse_source(text) for text in data]
    if as_json:
        writable(as_json)
    keep_apart({"--json": as_json}, [*data, labels])
    if fix:
        refuse_folder(fix, sources)
    allowed = read_labels(labels) if labels else None
    with image_progress("check", None) as progress:
        checked = run(sources, allowed, readers=usable_cores(), on_total=progress.expect, on_images=progress.count)
    if not any(split.parsed.images or split.errors for split in checked):
        raise DataError(f"{' and '.join(data)} list no image", fix="choose another split or folder")
    repaired = repair(checked, fix) if fix else []
    if as_json:
        write_text(as_json, to_json(_as_json(checked, repaired), indent=1))
    _print(checked, repaired)
    if any(split.errors for split in checked):
        raise typer.Exit(1)


def _print(checked: "list[Checked]", repaired: "list[Repaired]") -> None:
    from rich.table import Table
    from rich.text import Text

    from edgessd.util.console import PlainConsole
    from edgessd.util.outside_text import outside_text

    console, lines = PlainConsole(soft_wrap=False), PlainConsole()
    for split in checked:
        labels = ", ".join(f"{label} {count}" for label, count in split.labels.most_common())
        images, boxes = len(split.parsed.images), split.labels.total()
        line = f"{split.source}: {images} images, {boxes} boxes ({labels or 'none'})"
        lines.print(line)
    faults = [fault for split in checked for fault in split.faults]
    if faults:
        table = Table(box=None, pad_edge=False)
        for name in ("finding", "count", "examples"):
            table.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
        kinds = dict.fromkeys(fault.kind for fault in sorted(faults, key=lambda fault: not fault.is_error))
        for kind in kinds:
            same = [fault for fault in faults if fault.kind == kind]
            examples = [f"{fault.where}: {fault.detail}" for fault in same[:EXAMPLES]]
            if len(same) > EXAMPLES:
                examples.append(f"... and {len(same) - EXAMPLES} more (--json lists all)")
            shown = Text(kind, "bold red") if same[0].is_error else Text(f"{kind} (note)")
            table.add_row(shown, str(len(same)), "\n".join(map(outside_text, examples)))
        console.print(table)
    errors = sum(split.errors for split in checked)
    console.print(f"{errors} errors, {len(faults) - errors} notes")
    for copy in repaired:
        line = (
            f"{copy.source}: {copy.images} images written, {copy.images_left_out} left out, "
            f"{copy.boxes_dropped} boxes dropped, {copy.boxes_clipped} clipped"
        )
        lines.print(line)
    if errors and not repaired:
        console.print("--fix DIR writes a repaired copy")


def _as_json(checked: "list[Checked]", repaired: "list[Repaired]") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "errors": sum(split.errors for split in checked),
        "notes": sum(len(split.faults) - split.errors for split in checked),
        "data": [
            {
                "data": str(split.source),
                "images": len(split.parsed.images),
                "boxes": split.labels.total(),
                "labels": dict(split.labels.most_common()),
                "findings": [
                    {"kind": fault.kind, "error": fault.is_error, "where": fault.where, "detail": fault.detail}
                    for fault in split.faults
                ],
            }
            for split in checked
        ],
        "repaired": [asdict(copy) for copy in repaired],
    }
