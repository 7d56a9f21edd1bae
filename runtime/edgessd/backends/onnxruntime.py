"""ONNX Runtime: the CPU provider, or CUDA where onnxruntime-gpu offers it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.fixed_batch import in_parts
from edgessd.backends.graph_tensors import GraphTensor, check_graph, load_advice, names_as_text
from edgessd.errors import BackendError
from edgessd.model.card import ModelCard
from edgessd.util.extras import need

_FATAL = 4
TYPES = {
    "tensor(uint8)": "uint8",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}
# Rounds float weights and biases between Q and DQ to integers: layers kept in float would be none, and its scales,
# computed in the graph's type, cost an fp16 graph 0.011 mAP.
UNWANTED_OPTIMISER = "WeightBiasQuantization"


def cuda_available() -> bool:
    """Return whether this ONNX Runtime was built with CUDA and its libraries load."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


class OnnxRuntimeBackend:
    """A session; a call runs on ``threads`` cores, which sleep between calls instead of spinning."""

    def __init__(self, path: Path, card: ModelCard, *, threads: int) -> None:
        """Raises BackendError when ONNX Runtime refuses the file."""
        runtime = need("onnxruntime", "cpu")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL
        # A spinning pool takes the core that decodes the video: 31 instead of 77 FPS.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        if cuda_available():
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=providers, disabled_optimizers=[UNWANTED_OPTIMISER]
            )
        # ONNX Runtime raises a family of unrelated classes, all from this module.
        except Exception as error:
            raise BackendError(
                f"ONNX Runtime cannot load {path}: {_first_line(error)}", fix=load_advice(path, "onnxruntime")
            ) from error
        provider = self._session.get_providers()[0].removesuffix("ExecutionProvider")
        self.name = f"onnxruntime {runtime.__version__} ({provider})"
        self._outputs = list(card.outputs)
        with names_as_text(path):
            inputs, outputs = _tensors(self._session.get_inputs()), _tensors(self._session.get_outputs())
        check_graph(card, path, inputs, outputs)
        size = self._session.get_inputs()[0].shape[0]
        self.most: int | None = size if isinstance(size, int) else None

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        return in_parts(self._run, images, self.most)

    def _run(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        try:
            return tuple(self._session.run(self._outputs, {"image": images}))
        except Exception as error:
            raise BackendError(f"ONNX Runtime failed on input {images.shape}: {_first_line(error)}") from error

    def close(self) -> None:
        self._session = None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]


def _tensors(found: Any) -> dict[str, GraphTensor]:
    return {
        tensor.name: GraphTensor(
            TYPES.get(tensor.type, tensor.type),
            tuple(size if isinstance(size, int) else None for size in tensor.shape),
        )
        for tensor in found
    }
