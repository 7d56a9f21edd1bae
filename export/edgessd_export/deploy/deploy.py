"""Export, quantise, gate and build in one go, into a folder that is whole or not there."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgessd.errors import EdgessdError, ExportError, InputError
from edgessd.model.card import ModelCard, card_of
from edgessd.util.files import is_folder, new_folder, status
from edgessd_export.deploy.files import write_files
from edgessd_export.deploy.int8 import make_int8
from edgessd_export.deploy.targets import Target
from edgessd_export.graph.float_graph import Layout, float_graph
from edgessd_export.graph.float_input import float_input
from edgessd_export.parity.verdict import Verdict
from edgessd_export.write import export_float_input, export_onnx, write_fp16
from edgessd_training.checkpoint import Checkpoint, load_checkpoint
from edgessd_training.run.folder import RunFolder
from edgessd_training.run.own_data import read_plan

Say = Callable[[str], object]


@dataclass(frozen=True)
class Source:
    """What is deployed. calibration, data: data set texts, None where nobody gave any. pictures: a folder of them."""

    checkpoint: Checkpoint
    path: Path
    calibration: str | None
    data: str | None
    pictures: str | None


def source_of(place: Path, calibration: str | None, data: str | None) -> Source:
    """Return the checkpoint of a run's folder or a file, with the run's own data where none are given."""
    path = RunFolder(place).best if is_folder(place) else place
    if is_folder(place) and not path.exists():
        raise InputError(f"{place} holds no best.pt", fix="give a run's folder or a checkpoint")
    folder, pictures = RunFolder(path.parent), None
    if folder.plan.exists():
        plan = read_plan(folder)
        calibration, data = calibration or plan["train"], data or plan["gate"]
        pictures = str(plan["pictures"])
    return Source(load_checkpoint(path), path, calibration, data, pictures)


def deploy(
    source: Source, out: Path, target: Target, precisions: Sequence[str], budget: float, say: Say, *, build: bool
) -> list[str]:
    """Write the folder and return what was done, a sentence each.

    precisions: those to try; a refusal of one that is not the last is told, of the last one raised.
    """
    if status(out):
        ours = (out / "card.json").is_file()  # never offer to remove what deploy has not made
        fix = f"remove it, `{shlex.join(['rm', '-r', str(out)])}`, or --out" if ours else "give another --out"
        raise InputError(f"{out} is there already", fix=fix)
    with new_folder(out) as unfinished:
        told = _models(source, unfinished, target, precisions, budget, say)
        card = card_of(unfinished / "model.onnx")
        if target.module and build:
            told += _engine(unfinished, target)
        write_files(unfinished, target, card, told, source.pictures)
    return told


def _models(
    source: Source, folder: Path, target: Target, precisions: Sequence[str], budget: float, say: Say
) -> list[str]:
    """Write model.onnx, the best precision that passes, and beside int8 the same in fp32."""
    model, told = folder / "model.onnx", []
    checkpoint, calibration, data = source.checkpoint, source.calibration, source.data
    for precision in precisions:
        last = precision == precisions[-1]
        if precision != "int8":
            told.append(f"model.onnx: {_described(_float(checkpoint, model, target, precision))}, passed the gate")
            return told
        try:
            if calibration is None or data is None:
                fix = "give --calibration and --data"
                raise InputError("int8 needs images to calibrate on and labelled ones to judge by", fix=fix)
            plain = float_graph(checkpoint, Layout())
            judged = make_int8(checkpoint, plain, model, target, calibration, data, budget, say)
        except (InputError, ExportError) as error:
            if last:
                raise
            told.append(f"no int8: {error}")
            continue
        told.append(f"model.onnx: {_described(card_of(model))}, passed the gate: {judged.sentence}")
        if not last:
            export_onnx(checkpoint, folder / "model_fp32.onnx", base=plain)
            told.append("model_fp32.onnx: the same in fp32")
            if judged.verdict is Verdict.NOT_FASTER:
                told[-1] += "; take it where this machine's kind of processor is the one that counts"
        return told
    return told


def _float(checkpoint: Checkpoint, path: Path, target: Target, precision: str) -> ModelCard:
    layout = Layout(target.contract)
    if given := float_input(target.float_input):
        return export_float_input(checkpoint, path, layout, given)
    if precision == "fp16":
        return write_fp16(checkpoint, path, layout)
    return export_onnx(checkpoint, path, contract=target.contract)


def _described(card: ModelCard) -> str:
    return f"{card.precision}, {card.height}x{card.width}, {len(card.labels)} classes"


def _engine(folder: Path, target: Target) -> list[str]:
    """Build the engine where this machine can; where it cannot, that is told."""
    assert target.module is not None
    command = f"`edgessd build model.onnx --out model.engine --module {target.module}`"
    if find_spec(target.module) is None:
        return [f"no engine yet: {target.module} is not installed here; on the machine itself run {command}"]
    from edgessd_export.engine.cache import ensure_engine
    from edgessd_export.engine.options import BuildOptions
    from edgessd_export.engine.progress import build_progress

    try:
        with build_progress() as phases:
            found = ensure_engine(
                folder / "model.onnx", BuildOptions(), phases, module=target.module, out=folder / "model.engine"
            )
    except EdgessdError as error:
        return [f"no engine: {error}; on the machine itself run {command}"]
    engine = found.card.engine
    return [f"model.engine: built by {engine['module']} {engine['version']} in {engine['build']['seconds']} s"]
