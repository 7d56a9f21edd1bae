"""Inference engines behind one protocol, and the choice between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from edgessd.backends.triton.address import Place, TritonAddress
from edgessd.errors import InputError
from edgessd.util.cores import usable_cores
from edgessd.util.extras import install_command

if TYPE_CHECKING:  # the command's help names the backends and needs no NumPy
    import numpy as np
    from numpy.typing import NDArray

    from edgessd.model.card import ModelCard


class Backend(Protocol):
    """A loaded model. ``infer`` may be called by several threads at once.

    most: images that one call of the engine takes, None where there is no limit.
    """

    name: str
    most: int | None

    def infer(self, images: "NDArray[np.uint8]") -> "tuple[NDArray[Any], ...]":
        """Return the card's outputs, in its order, for (B, H, W, 3) uint8 BGR. Raises BackendError."""
        ...

    def close(self) -> None:
        """Free the engine; calling it twice is harmless."""
        ...


@runtime_checkable
class ResizingBackend(Backend, Protocol):
    """A backend that also takes whole frames and resizes them on its device."""

    def infer_frame(self, frame: "NDArray[np.uint8]") -> "tuple[NDArray[Any], ...]":
        """Return the card's outputs, B = 1, for one (H, W, 3) uint8 BGR frame. Raises InputError, BackendError."""
        ...


@runtime_checkable
class RemoteBackend(Backend, Protocol):
    """A backend whose ``infer`` waits while its server is away; ``waiting`` says that one does."""

    waiting: bool


@dataclass(frozen=True)
class Choice:
    """A backend's name and why it was taken."""

    name: str
    reason: str


def choose(path: Place, wanted: str, card: "ModelCard") -> Choice:
    """Return the backend for a model and its card. Raises InputError for a name that cannot run it."""
    if wanted not in NAMES:
        raise InputError(f"unknown backend {wanted!r}", fix=f"choose one of {', '.join(NAMES)}")
    if isinstance(path, TritonAddress):
        if wanted != "auto":
            raise InputError(f"{path} runs on its server, {wanted} cannot run it", fix="leave the backend out")
        return Choice("triton", "the model is served")
    if path.suffix == ".engine":
        if wanted not in ("auto", "tensorrt"):
            raise InputError(f"{path} is a TensorRT engine, {wanted} cannot run it", fix="use --backend tensorrt")
        return Choice("tensorrt", "the model is a TensorRT engine")
    if wanted != "auto":
        return Choice(wanted, "asked for")
    if _has_gpu_provider():
        return Choice("onnxruntime", "ONNX Runtime offers the CUDA provider")
    if card.quantisation.get("for") == "tensorrt":
        return Choice("onnxruntime", "int8 made for TensorRT, which saturates in OpenVINO on CPUs without VNNI")
    if card.precision == "fp32" and find_spec("onnxruntime"):
        return Choice("onnxruntime", "no CUDA provider; in fp32 ONNX Runtime takes 0.9 of OpenVINO's time")
    if find_spec("openvino"):
        return Choice("openvino", "no CUDA provider; OpenVINO is installed and is the fastest on a CPU")
    if card.precision == "int8" and card.quantisation.get("on") == "inputs":
        slow = "no OpenVINO, which this int8 is for: ONNX Runtime takes 3 times as long"
        return Choice("onnxruntime", f"{slow}; {install_command('openvino')}")
    return Choice("onnxruntime", "no CUDA provider and no OpenVINO; ONNX Runtime runs everywhere")


def _has_gpu_provider() -> bool:
    if not find_spec("onnxruntime"):
        return False
    from edgessd.backends.onnxruntime import cuda_available

    return cuda_available()


def open_backend(
    path: Place, card: "ModelCard", choice: Choice, *, workers: int = 1, threads: int | None = None
) -> Backend:
    """Return the loaded model.

    workers: how many threads will call ``infer`` at once; threads: cores for one call, the cores divided
    among the workers where None. Raises BackendError or MissingExtra.
    """
    if isinstance(path, TritonAddress):
        from edgessd.backends.triton.backend import TritonBackend

        return TritonBackend(path, card)
    return BACKENDS[choice.name](path, card, workers, threads or max(1, usable_cores() // workers))


def _open_onnxruntime(path: Path, card: "ModelCard", workers: int, threads: int) -> Backend:
    from edgessd.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(path, card, threads=threads)


def _open_openvino(path: Path, card: "ModelCard", workers: int, threads: int) -> Backend:
    from edgessd.backends.openvino import OpenVinoBackend

    return OpenVinoBackend(path, card, threads=threads, workers=workers)


def _open_tensorrt(path: Path, card: "ModelCard", workers: int, threads: int) -> Backend:
    """Return an engine, loaded; an ONNX file's engine comes from the cache, built where it is not there yet."""
    from edgessd.backends.cuda.library import load
    from edgessd.backends.engine.cache import engine_for
    from edgessd.backends.tensorrt import TensorRTBackend

    load()  # before minutes go into an engine that nothing here could run
    return TensorRTBackend(path if path.suffix == ".engine" else engine_for(path).path, workers=workers)


# A new backend is one module and one line here.
BACKENDS: Mapping[str, Callable[[Path, "ModelCard", int, int], Backend]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
    "tensorrt": _open_tensorrt,
}
NAMES = ("auto", *BACKENDS)
