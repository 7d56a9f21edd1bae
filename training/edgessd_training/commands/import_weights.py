"""``edgessd import``: the weights of an older SSD become a checkpoint of this project."""

from enum import Enum
from pathlib import Path

import typer

from edgessd.util.console import say


class Family(str, Enum):
    """Where the weights come from."""

    tflite = "tflite"
    tfjs = "tfjs"
    picodet = "picodet"
    torchvision = "torchvision"
    amdegroot = "amdegroot"
    lufficc = "lufficc"
    qfgaohao = "qfgaohao"


def import_weights(
    family: Family = typer.Argument(
        metavar="FAMILY", help="Who wrote the file: tflite, tfjs, picodet, torchvision, amdegroot, lufficc, qfgaohao."
    ),
    weights: Path = typer.Argument(
        metavar="WEIGHTS",
        help="The file: .tflite for tflite, model.json for tfjs, .onnx for picodet, else a PyTorch state dict.",
    ),
    out: Path = typer.Option(..., "--out", help="The checkpoint to write (.pt)."),
    labels: Path | None = typer.Option(
        None,
        "--labels",
        help="Text, a label a line in the order of the classes; a first line 'background' or '???' is dropped. "
        "Left out: labelmap.txt beside a TFLite file, else the labels its publisher trained with.",
        show_default=False,
    ),
    name: str | None = typer.Option(
        None, "--name", help="Name of the model in its card; the network's own where left out.", show_default=False
    ),
) -> None:
    """Import weights of an older SSD: TFLite, TensorFlow.js, PicoDet, torchvision, amdegroot, lufficc, qfgaohao."""
    from edgessd.util.files import writable
    from edgessd.util.overwrite import keep_apart

    keep_apart({"--out": writable(out)}, [weights, labels])
    from edgessd_training.checkpoint import save_checkpoint
    from edgessd_training.importers import import_family

    checkpoint = import_family(family.value, weights, labels)
    card = checkpoint.card.with_changes(name=name) if name else checkpoint.card
    save_checkpoint(out, checkpoint.network, checkpoint.description, card)
    say(f"wrote {out}: {card.name}, {card.height}x{card.width}, {len(card.labels)} classes, {len(card.priors)} priors")
