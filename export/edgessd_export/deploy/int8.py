"""Int8 that holds: plain first, then with the layers in float that suffer most, until gate and budget agree."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from edgessd.errors import ExportError
from edgessd.util.progress import image_progress
from edgessd_export.deploy.targets import Target
from edgessd_export.graph.float_graph import Layout
from edgessd_export.images import for_gate, inputs
from edgessd_export.parity.compare import graph_model
from edgessd_export.parity.verdict import Judge, Judged, Verdict
from edgessd_export.quantisation.calibration import calibrate
from edgessd_export.quantisation.int8 import Int8, quantised
from edgessd_export.quantisation.sensitivity import effects
from edgessd_export.write import weights_hash, write_int8
from edgessd_training.checkpoint import Checkpoint

IMAGES = 200  # to calibrate on
RANKED_ON = 16
KEPT = (0, 4, 8, 16, 32)  # layers left in float, the worst first
Say = Callable[[str], object]


def make_int8(
    checkpoint: Checkpoint,
    plain: onnx.ModelProto,
    path: Path,
    target: Target,
    calibration: str,
    data: str,
    budget: float,
    say: Say,
) -> Judged:
    """Write int8 within the budget and return the verdict on it.

    plain: the float graph under ``raw``. calibration, data: as ``edgessd quantize`` takes them. budget: the mAP
    that may be lost on ``data``. Raises ExportError, and leaves no file, where no mixture of int8 and float holds.
    """
    layout = Layout(target.contract)
    base = plain if layout == Layout() else None
    card = checkpoint.card
    _, seen, held_out = for_gate(calibration, data, IMAGES)
    with image_progress("calibrate", len(seen)) as progress:
        ranges = calibrate(
            plain,
            lambda: inputs(seen, card.height, card.width),
            "max",
            weights_hash(checkpoint),
            lambda: progress.count(1),
        )
    int8 = Int8(target.int8, ranges)
    judge = Judge(checkpoint, data, None, "voc07")
    before = judge.score(graph_model(plain, card, "fp32"))
    ranked: list[str] = []
    refused = ""
    for count in KEPT:
        if count and not ranked:
            say(f"plain int8 does not hold ({refused}): looking for the layers that suffer")
            ranked = [effect.layer for effect in effects(plain, card, int8, judge.images(RANKED_ON))]
        mixed = replace(int8, keep_float=tuple(ranked[:count]))
        drop = before - judge.score(graph_model(quantised(plain, mixed), card, f"int8, {count} layers in float"))
        if drop > budget:
            refused = f"{drop:.4f} mAP lost, {budget:g} allowed"
            continue
        try:
            write_int8(checkpoint, path, layout, mixed, base, held_out(card))
        except ExportError as error:
            refused = str(error)
            continue
        kept = f"; {count} layers stay in float" if count else ""
        judged = judge.verdict(path, "int8", target.int8, budget, plain)
        if judged.verdict is Verdict.OVER_BUDGET:  # the file's contract decodes in the graph
            path.unlink()
            refused = judged.sentence
            continue
        return judged._replace(sentence=f"{judged.sentence}{kept}")
    raise ExportError(f"int8 does not hold: {refused}", fix="train on more images, or leave --precision out")
