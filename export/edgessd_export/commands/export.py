"""``edgessd export``: a checkpoint becomes one ONNX file."""

from pathlib import Path

import typer

from edgessd.util.console import PlainConsole
from edgessd.util.files import writable
from edgessd.util.overwrite import keep_apart
from edgessd_export.commands.names import named


def export(
    checkpoint: Path = typer.Argument(..., metavar="CKPT", help="A checkpoint of `edgessd train` or `edgessd import`."),
    out: Path = typer.Option(..., "--out", metavar="M.onnx", help="The ONNX file to write."),
    contract: str = typer.Option(
        "raw",
        help="What leaves the graph. raw: offsets and scores of every prior. compact: the best K boxes, scores and "
        "classes, NMS to follow. end2end: the same after NMS, and their count.",
    ),
    batch: int | None = typer.Option(
        None, metavar="N", min=1, help="A fixed batch size; left out, the batch is dynamic."
    ),
    kept: int | None = typer.Option(
        None,
        metavar="N",
        min=1,
        help="K, the rows of compact and end2end; left out, 400 or the number of priors if that is less.",
    ),
    opset: int = typer.Option(20, metavar="N", min=19, max=20, help="ONNX opset: 20, or 19 for older readers."),
) -> None:
    """Write a checkpoint as ONNX: uint8 BGR images in, one output contract out, the card inside."""
    from edgessd_export.write import export_onnx
    from edgessd_training.checkpoint import load_checkpoint

    keep_apart({"--out": named(out, ".onnx", "an ONNX file")}, [checkpoint])
    writable(out)
    loaded = load_checkpoint(checkpoint)
    card = export_onnx(loaded, out, contract=contract, kept=kept, batch=batch, opset=opset)
    PlainConsole().print(
        f"{out}: {card.name}, {contract}, {card.precision}, batch {batch or 'dynamic'}, "
        f"{out.stat().st_size / 1e6:.1f} MB"
    )
