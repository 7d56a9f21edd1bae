"""The shipped models, by name."""

import logging
import shlex
from pathlib import Path

from edgessd.errors import InputError
from edgessd.util.files import status

HERE = Path(__file__).parent
SUFFIXES = (".onnx", ".engine")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
ADVICE = {
    (".plan", ".trt"): "an engine runs where `edgessd build M.onnx` made it, with its card",
    (".xml", ".bin"): "OpenVINO runs the ONNX file itself, with --backend openvino",
    (".tflite",): "import it, `edgessd import tflite M.tflite --out CKPT.pt`, then `edgessd export`",
    (".safetensors", ".ckpt", ".h5", ".pb", ".keras", ".torchscript"): "`edgessd import --help` lists what is read",
}
DEFAULT = "picodet_s_voc_336"  # what ``default`` stands for: the best boxes at 59 FPS and more on two cores
# Models of 0.1, which are shipped no more, and what took their place: a configuration of then goes on, and is told.
FORMER = {
    "ssd_mobilenet_v1_voc_int8": DEFAULT,
    "ssdlite_mobilenet_v2_voc_int8": DEFAULT,
    "ssdlite_mobilenet_v2_voc_fp16": "picodet_s_voc_352_fp16",
    "ssdlite_mobilenet_v2_voc_int8_tensorrt": "picodet_s_voc_336_int8_tensorrt",
}
log = logging.getLogger(__name__)


class Shipped(dict[str, Path]):
    """Every shipped model's name and file. A former name is none of its keys, gives what took its place, and warns."""

    def __missing__(self, name: str) -> Path:
        """Raises KeyError for a name that no model has or had."""
        path = self[FORMER[name]]
        log.warning("the model %s is no longer shipped: %s takes its place", name, FORMER[name])
        return path


def shipped() -> Shipped:
    """Return every shipped model's name and file; ``default`` is the first."""
    files = {path.stem: path for path in sorted(HERE.glob("*.onnx"))}
    return Shipped({"default": files[DEFAULT], **files} if DEFAULT in files else files)


def model_path(model: str | Path) -> Path:
    """Return the file of a model given by path or by a shipped name. Raises InputError for neither."""
    known = shipped()
    if isinstance(model, str) and (model in known or model in FORMER):
        return known[model]
    if str(model).startswith("triton:"):
        raise InputError("this needs a model's file, and Triton serves one", fix="`detect` and `run` take its URL")
    path = Path(model)
    if status(path) is None:
        names = f"; shipped models: {', '.join(known)}" if known else ""
        raise InputError(f"no model file at {path}", fix=f"check the path{names}")
    if path.suffix.lower() in VIDEOS:
        raise InputError(
            f"{path} is a video, not a model", fix=f"name the model first, as in `edgessd bench default {path}`"
        )
    if path.suffix not in SUFFIXES:
        raise InputError(f"a model ends in {' or '.join(SUFFIXES)}, got {path.name}", fix=_advice(path))
    return path


def _advice(path: Path) -> str:
    """Return what to do with a file of another kind."""
    suffix = path.suffix.lower()
    if suffix in (".pt", ".pth"):
        return _after_export(path)
    if suffix in SUFFIXES:
        return f"rename it to {path.with_suffix(suffix).name}"
    return next(
        (advice for suffixes, advice in ADVICE.items() if suffix in suffixes),
        "give the ONNX file that `edgessd export` wrote, an engine of `edgessd build`, or the name of a shipped model",
    )


def _after_export(checkpoint: Path) -> str:
    """Return the command that makes a model file of a checkpoint, or the file that `edgessd deploy` made of it."""
    deployed = checkpoint.parent / "deploy-cpu" / "model.onnx"
    if (found := status(deployed)) and found.st_mtime >= checkpoint.stat().st_mtime:
        return f"its deployed form is {deployed}"
    exported = checkpoint.with_suffix(".onnx")
    command = shlex.join(["edgessd", "export", str(checkpoint), "--out", str(exported)])
    return f"a checkpoint is exported first, `{command}`, then take {exported}; foreign weights need `edgessd import`"
