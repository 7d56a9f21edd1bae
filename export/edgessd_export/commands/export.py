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
    input_: str = typer.Option(
        "uint8",
        "--input",
        help="uint8 (B, H, W, 3) BGR; or, for other loaders, float32 from 0 to 255: float32-nchw-rgb, or another of "
        "nchw, nhwc and rgb, bgr. edgessd itself runs uint8 files.",
    ),
    opset: int = typer.Option(20, metavar="N", min=19, max=20, help="ONNX opset: 20, or 19 for older readers."),
) -> None:
    """Write a checkpoint as ONNX: uint8 BGR images in, one output contract out, the card inside."""
    from edgessd_export.graph.float_graph import Layout
    from edgessd_export.graph.float_input import float_input
    from edgessd_export.write import export_float_input, export_onnx
    from edgessd_training.checkpoint import load_checkpoint

    keep_apart({"--out": named(out, ".onnx", "an ONNX file")}, [checkpoint])
    writable(out)
    given = float_input(input_)
    loaded = load_checkpoint(checkpoint)
    if given:
        card = export_float_input(loaded, out, Layout(contract, kept, batch, opset), given)
    else:
        card = export_onnx(loaded, out, contract=contract, kept=kept, batch=batch, opset=opset)
    PlainConsole().print(
        f"{out}: {card.name}, {contract}, {card.precision}, batch {batch or 'dynamic'}, "
        f"{out.stat().st_size / 1e6:.1f} MB"
    )
