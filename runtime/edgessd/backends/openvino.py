"""OpenVINO on the CPU: one compiled model with a stream for every worker."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.fixed_batch import in_parts
from edgessd.backends.graph_tensors import GraphTensor, check_graph, load_advice, names_as_text
from edgessd.errors import BackendError
from edgessd.model.card import ModelCard
from edgessd.util.extras import need

TYPES = {"u8": "uint8", "f32": "float32", "f16": "float16", "i32": "int32", "i64": "int64"}


class OpenVinoBackend:
    """A compiled model; every calling thread owns one infer request of it."""

    def __init__(self, path: Path, card: ModelCard, *, threads: int, workers: int) -> None:
        """Raises BackendError when OpenVINO refuses the file."""
        openvino = _imported()
        settings = {
            "NUM_STREAMS": str(workers),
            "INFERENCE_NUM_THREADS": str(threads * workers),
            # Without it a CPU with bf16 units rounds silently; precision is what the graph says.
            "INFERENCE_PRECISION_HINT": "f32",
            # A stream tied to one core waits while video is decoded there and another core idles: 81% of the
            # cores used, without it 92%.
            "ENABLE_CPU_PINNING": "NO",
        }
        try:
            core = openvino.Core()
            model = core.read_model(str(path))
            self._compiled = core.compile_model(model, "CPU", settings)
        # A message that is not UTF-8 arrives as UnicodeDecodeError in place of RuntimeError.
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise BackendError(
                f"OpenVINO cannot load {path}: {_last_line(error)}", fix=load_advice(path, "openvino")
            ) from error
        with names_as_text(path):
            inputs, outputs = _tensors(self._compiled.inputs), _tensors(self._compiled.outputs)
        check_graph(card, path, inputs, outputs)
        self._outputs = [self._compiled.output(name) for name in card.outputs]
        self.name = f"openvino {openvino.__version__.split('-')[0]} (CPU)"
        size = self._compiled.input(0).partial_shape[0]
        self.most = int(size.get_length()) if size.is_static else None
        self._local = threading.local()

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return the card's outputs for (B, H, W, 3) uint8 BGR; valid until this thread's next call."""
        return in_parts(self._run, images, self.most)

    def _run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        try:
            results = request.infer({"image": images}, share_inputs=True, share_outputs=True)
        except (RuntimeError, ValueError, TypeError) as error:
            raise BackendError(f"OpenVINO failed on input {images.shape}: {_last_line(error)}") from error
        return tuple(results[output] for output in self._outputs)

    def close(self) -> None:
        self._local = threading.local()
        self._outputs = []
        self._compiled = None


def _imported() -> Any:
    """Return the module. Its telemetry looks for a home folder at import; a user without one gets the temporary one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()
    return need("openvino", "openvino")


def _tensors(found: Any) -> dict[str, GraphTensor]:
    return {
        name: GraphTensor(
            TYPES.get(port.element_type.get_type_name(), port.element_type.get_type_name()),
            tuple(int(size.get_length()) if size.is_static else None for size in port.partial_shape)
            if port.partial_shape.rank.is_static
            else (),
        )
        for port in found
        for name in port.names
    }


def _last_line(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode(errors="replace").strip().splitlines()[-1].strip()
    return (str(error).strip() or repr(error)).splitlines()[-1].strip()
