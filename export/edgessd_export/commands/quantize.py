"""``edgessd quantize``: a checkpoint in fp16 or int8."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from edgessd_training.commands.metric_options import LabelMap, Metric, MetricChoice

if TYPE_CHECKING:
    from edgessd_export.quantisation.calibration import Calibration
    from edgessd_training.checkpoint import Checkpoint


def quantize(
    checkpoint: Path = typer.Argument(..., metavar="CKPT", help="A checkpoint of `edgessd train` or `edgessd import`."),
    out: Path = typer.Option(..., "--out", metavar="M.onnx", help="The ONNX file to write."),
    precision: str = typer.Option(..., help="fp16 or int8."),
    calibration: str | None = typer.Option(
        None,
        metavar="DATA",
        help="int8: real images to measure ranges on; DATA, or a folder of images. Left out, "
        "the ranges that the checkpoint was trained with in fake int8.",
    ),
    ranges: Path | None = typer.Option(
        None, metavar="F.json", help="int8: ranges; written with --calibration, read and reused without."
    ),
    method: str = typer.Option("max", help="int8: how a range is cut: max, percentile (99.99) or entropy."),
    images: int = typer.Option(
        500, metavar="N", min=1, help="int8: at most so many calibration images, spread over the set."
    ),
    variant: str = typer.Option("cpu", "--for", help="int8: cpu (ONNX Runtime, OpenVINO) or tensorrt."),
    rest: str = typer.Option(
        "fp32", help="int8: the precision of what is not int8, fp32 or fp16 (--for tensorrt); measure fp16 with --data."
    ),
    keep_float: str | None = typer.Option(
        None, metavar="LAYERS", help="int8: layers left in float, by comma; auto: the fewest that meet --max-map-drop."
    ),
    data: str | None = typer.Option(None, help="Labelled images for the verdict and for --keep-float auto."),
    label_map: LabelMap = None,
    metric: MetricChoice = Metric.voc07,
    max_map_drop: float = typer.Option(
        0.005, metavar="X", min=0, max=1, help="The budget: how much mAP int8 may lose on --data."
    ),
    sensitivity: Path | None = typer.Option(
        None, metavar="F.png", help="int8: draw and print what each layer alone loses in int8."
    ),
    contract: str = typer.Option("raw", help="raw, compact or end2end; see `edgessd export --help`."),
    batch: int | None = typer.Option(
        None, metavar="N", min=1, help="A fixed batch size; left out, the batch is dynamic."
    ),
    kept: int | None = typer.Option(
        None, metavar="N", min=1, help="K of compact and end2end; left out, 400 or fewer priors."
    ),
) -> None:
    """Write a checkpoint as fp16 or int8 ONNX, after the gate has compared it with PyTorch."""
    from dataclasses import replace

    from edgessd.errors import ExportError, InputError
    from edgessd.util.console import PlainConsole
    from edgessd.util.files import replacing, writable
    from edgessd.util.overwrite import keep_apart
    from edgessd_export.commands.names import named
    from edgessd_export.graph.float_graph import Layout, float_graph
    from edgessd_export.images import for_gate
    from edgessd_export.parity.verdict import Judge, Verdict
    from edgessd_export.quantisation.calibration import trained_ranges
    from edgessd_export.quantisation.int8 import Int8
    from edgessd_export.quantisation.sensitivity import rank, shortest
    from edgessd_export.write import write_fp16, write_int8
    from edgessd_training.checkpoint import load_checkpoint

    outputs = {"--out": named(out, ".onnx", "an ONNX file"), "--sensitivity": sensitivity}
    reused = ranges if calibration is None else None
    keep_apart(
        outputs if reused else {**outputs, "--ranges": ranges}, [checkpoint, calibration, data, label_map, reused]
    )
    for path in filter(None, (out, sensitivity)):
        writable(path)
    loaded = load_checkpoint(checkpoint)
    trained = None if calibration or ranges else loaded.card.training.get("int8")
    _check(precision, variant, rest, data, keep_float, calibration or trained, ranges, sensitivity)
    if trained and precision == "int8" and trained["for"] != variant:
        raise InputError(
            f"the checkpoint was trained in int8 for {trained['for']}, not for {variant}",
            fix=f"--for {trained['for']}, or measure new ranges with --calibration DATA",
        )
    layout = Layout(contract, kept, batch)
    console = PlainConsole()
    judge = Judge(loaded, data, label_map, metric.value) if data else None
    with replacing(out) as unfinished:  # a file over the budget is not left, nor does it replace an earlier one
        if precision == "fp16":
            card = write_fp16(loaded, unfinished, layout)
        else:
            paths, seen, held_out = for_gate(calibration, data, images)
            plain = float_graph(loaded, Layout())
            if trained:
                measured, floats = trained_ranges(plain, trained)
                console.print("ranges and rounding are those that the checkpoint was trained with")
            else:
                measured, floats = _ranges(loaded, plain, seen, ranges, method), ()
            int8 = Int8(variant, measured, rest, floats)
            if keep_float == "auto" or sensitivity:
                ranked = rank(loaded, plain, int8, judge, paths, sensitivity)
            if keep_float == "auto" and judge:
                int8 = replace(int8, keep_float=tuple(shortest(loaded, plain, int8, ranked, judge, max_map_drop)))
                console.print(f"kept in float: {', '.join(int8.keep_float) or 'nothing'}")
            elif keep_float:
                int8 = replace(int8, keep_float=tuple(name.strip() for name in keep_float.split(",")))
            base = plain if layout == Layout() and int8.rest == "fp32" else None
            card = write_int8(loaded, unfinished, layout, int8, base, held_out(loaded.card))
        verdict = judge.verdict(unfinished, precision, variant, max_map_drop) if judge else None
        if verdict and verdict.verdict is Verdict.OVER_BUDGET:
            raise ExportError(
                f"{verdict.sentence}, no file is left",
                fix="keep layers in float with --keep-float auto, calibrate on more images, or raise --max-map-drop",
            )
    console.print(f"{out}: {card.name}, {contract}, {precision}, {out.stat().st_size / 1e6:.1f} MB, passed the gate")
    if verdict:
        console.print(verdict.sentence)


def _check(
    precision: str,
    variant: str,
    rest: str,
    data: str | None,
    keep_float: str | None,
    calibration: object,
    ranges: Path | None,
    sensitivity: Path | None,
) -> None:
    from edgessd.errors import InputError

    for name, value, allowed in (
        ("--precision", precision, ("fp16", "int8")),
        ("--for", variant, ("cpu", "tensorrt")),
        ("--rest", rest, ("fp32", "fp16")),
    ):
        if value not in allowed:
            raise InputError(f"{name} is one of {', '.join(allowed)}, got {value!r}")
    if precision == "fp16" and (calibration or ranges or keep_float or sensitivity):
        raise InputError("fp16 needs no calibration and keeps its own layers in fp32", fix="leave the int8 options out")
    if precision == "int8" and not (calibration or ranges):
        raise InputError("int8 needs ranges of real images", fix="give --calibration DATA, or --ranges F.json")
    if variant == "cpu" and rest == "fp16":
        raise InputError("CPUs compute fp16 slowly", fix="--for cpu goes with --rest fp32")
    if sensitivity and not (calibration or data):
        raise InputError("--sensitivity needs images", fix="give --calibration or --data")
    if keep_float == "auto" and not data:
        raise InputError("--keep-float auto measures mAP", fix="give labelled images with --data")


def _ranges(
    checkpoint: "Checkpoint", plain: Any, paths: "Sequence[Path]", path: Path | None, method: str
) -> "Calibration":
    """Return ranges measured on images, or those of a file where there are none."""
    from edgessd.util.console import PlainConsole
    from edgessd.util.files import writable
    from edgessd.util.progress import image_progress
    from edgessd_export.images import inputs, variety_warning
    from edgessd_export.quantisation import calibration as calibrating
    from edgessd_export.write import weights_hash

    digest = weights_hash(checkpoint)
    errors = PlainConsole(stderr=True)
    if not paths:
        assert path is not None  # _check has seen to it
        errors.print(
            f"note: {path} holds ranges alone: weights are rounded to the nearest step and biases stay as they are; "
            "give --calibration for GPTQ and corrected biases"
        )
        return calibrating.read_ranges(path, digest)
    if path:
        writable(path)
    if warning := variety_warning(paths):
        errors.print(f"warning: {warning}")
    if len(paths) < calibrating.ENOUGH:
        errors.print(f"warning: {len(paths)} calibration images, {calibrating.ENOUGH} or more give steadier ranges")
    card = checkpoint.card
    passes = 1 if method == "max" else 2
    with image_progress("calibrate", passes * len(paths)) as progress:
        measured = calibrating.calibrate(
            plain,
            lambda: inputs(paths, card.height, card.width),
            method,
            digest,
            lambda: progress.count(1),
        )
    if path:
        calibrating.save_ranges(path, measured)
    return measured
