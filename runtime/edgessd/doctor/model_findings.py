"""What is wrong with one model on this machine: the same checks as loading it, without loading it."""

import shlex
from pathlib import Path

from edgessd.backends.cuda.library import Device
from edgessd.backends.engine.file import check_gpu, check_version, open_engine
from edgessd.doctor.facts import Facts
from edgessd.doctor.findings import Effect, Finding
from edgessd.doctor.verdicts import without_cuda
from edgessd.errors import EngineError, InputError
from edgessd.model.card import ModelCard, card_of
from edgessd.model.shipped import model_path

BUILD = "edgessd build M.onnx --out M.engine"


def model_findings(model: str, facts: Facts) -> list[Finding]:
    """Return what keeps a model from running here."""
    try:
        path = model_path(model)
        if path.suffix != ".engine":
            card_of(path)
            return []
    except InputError as error:
        return [Finding.of("model-unusable", error, shlex.join(["edgessd", "info", model]))]
    try:
        card = open_engine(path)
    except InputError as error:
        return [Finding.of("engine-damaged", error, BUILD)]
    return _engine(card, path, facts)


def _engine(card: ModelCard, path: Path, facts: Facts) -> list[Finding]:
    module, devices = str(card.engine["module"]), facts["cuda"].get("devices")
    here = facts.get(module) or {}
    found = []
    try:
        check_version(card, path, here.get("version"))
    except EngineError as error:
        found.append(Finding.of("engine-other-tensorrt", error, BUILD))
    if not devices:
        built_on = card.engine["gpu"] or f"compute capability {', '.join(card.engine['compute_capabilities'])}"
        here_now = without_cuda("tensorrt", facts)
        cause = f"{path} was built on {built_on}: {here_now.reason}"
        command = here_now.command or f"edgessd run with {_onnx(card)} on the CPU"
        return [*found, Finding("engine-other-gpu", Effect.STOPS, cause, command)]
    try:
        check_gpu(card, path, Device(**devices[0]))
    except EngineError as error:
        found.append(Finding.of("engine-other-gpu", error, BUILD))
    return found


def _onnx(card: ModelCard) -> str:
    return str(card.engine.get("onnx", f"{card.name}.onnx"))
