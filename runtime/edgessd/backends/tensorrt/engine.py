"""A TensorRT engine in memory: deserialised, and held to what its card says of its tensors."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgessd.backends.engine.file import rebuild, rebuild_command
from edgessd.errors import BackendError, EngineError
from edgessd.model.card import ModelCard
from edgessd.util.extras import need

INPUT = "image"
LOG = logging.getLogger("edgessd.tensorrt")
EXTRAS = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT64": "int64",
    "INT32": "int32",
    "INT8": "int8",
    "UINT8": "uint8",
    "BOOL": "bool",
}
_KEPT_LINES = 4
_DRIVER_TOO_OLD = "CUDA driver version is insufficient"  # cudaError 35, in TensorRT's log


@dataclass(frozen=True)
class Tensor:
    """One I/O tensor. row_shape: without the batch axis."""

    name: str
    is_input: bool
    dtype: "np.dtype[Any]"
    row_shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one image's part."""
        return int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass
class Engine:
    """A deserialised engine. TensorRT wants its logger and runtime alive as long as the engine.

    smallest, largest: the batches its profile allows.
    """

    tensorrt: Any
    logger: Any
    runtime: Any
    engine: Any
    tensors: tuple[Tensor, ...]
    smallest: int
    largest: int

    @property
    def title(self) -> str:
        """Return the module and its version."""
        return f"{self.tensorrt.__name__} {self.tensorrt.__version__}"

    def said(self) -> str:
        """Return TensorRT's last complaints in one line, for a message."""
        return "; ".join(self.logger.complaints) or "it gave no reason"

    def create_context(self, *, own_graph: bool) -> Any:
        """Return an execution context; with ``own_graph`` one that captures itself, where the module can.

        Raises BackendError with TensorRT's complaint, mostly of too little memory.
        """
        self.logger.complaints.clear()
        if own_graph and captures_itself(self.tensorrt):
            config = self.engine.create_runtime_config()
            config.cuda_graph_strategy = self.tensorrt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
            context = self.engine.create_execution_context(config)
        else:
            context = self.engine.create_execution_context()
        if context is None:
            raise BackendError(f"{self.title} cannot create an execution context: {self.said()}", fix="free GPU memory")
        return context

    def close(self) -> None:
        """Drop the engine, then the runtime that made it; no context may be alive."""
        self.engine = None
        self.runtime = None


def captures_itself(tensorrt: Any) -> bool:
    """Return whether this module (TensorRT-RTX) captures CUDA graphs on its own, better than from outside."""
    return hasattr(tensorrt, "CudaGraphStrategy")


def load_engine(path: Path, card: ModelCard) -> Engine:
    """Return the engine of a file whose hash was confirmed; a CUDA context must be current on this thread.

    Raises MissingExtra without the module, BackendError when TensorRT refuses the file, EngineError when its
    tensors are not those of the card.
    """
    module = str(card.engine["module"])
    if module not in EXTRAS:
        raise EngineError(f"the card of {path} names the module {module!r}", fix=f"expected {' or '.join(EXTRAS)}")
    tensorrt = need(module, EXTRAS[module])
    logger = _logger(tensorrt)
    runtime = tensorrt.Runtime(logger)
    options = card.engine["options"]
    if options.get("version_compatible"):
        runtime.engine_host_code_allowed = True
    if options.get("dla") is not None:
        runtime.DLA_core = options["dla"]
    engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        del runtime  # here, while its context is current, not where the error's traceback is dropped
        complaints = "; ".join(logger.complaints) or "it gave no reason"
        again = f"build it again with `{rebuild_command(card, path)}`"
        fix = "update the NVIDIA driver" if _DRIVER_TOO_OLD in complaints else again
        raise BackendError(f"{module} {tensorrt.__version__} cannot load {path}: {complaints}", fix=fix)
    tensors = _tensors(tensorrt, engine, card)
    try:
        _check_tensors(tensors, card, path)
    except EngineError:
        del engine, runtime
        raise
    batch = int(engine.get_tensor_shape(INPUT)[0])
    smallest, largest = batch, batch
    if batch == -1:
        least, _, most = engine.get_tensor_profile_shape(INPUT, 0)
        smallest, largest = int(least[0]), int(most[0])
    return Engine(tensorrt, logger, runtime, engine, tensors, smallest, largest)


def _tensors(tensorrt: Any, engine: Any, card: ModelCard) -> tuple[Tensor, ...]:
    """Return the engine's own table; sizes that TensorRT knows only at run time are the card's."""
    rows = {INPUT: (card.height, card.width, 3), **{name: card.output_shape(name) for name in card.outputs}}
    found = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        # A type unknown here becomes "void", which no card names; nothing that holds the engine raises.
        dtype = np.dtype(DTYPES.get(engine.get_tensor_dtype(name).name, "V"))
        shape = tuple(int(size) for size in engine.get_tensor_shape(name))[1:]
        if name in rows and len(shape) == len(rows[name]):
            shape = tuple(known if size == -1 else size for size, known in zip(shape, rows[name], strict=True))
        is_input = engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT
        found.append(Tensor(name, is_input, dtype, shape))
    return tuple(found)


def _check_tensors(tensors: tuple[Tensor, ...], card: ModelCard, path: Path) -> None:
    """Raise EngineError where the engine's tensors are neither the contract's nor those noted at its build."""
    wanted: dict[str, tuple[bool, tuple[int, ...]]] = {INPUT: (True, (card.height, card.width, 3))}
    wanted |= {name: (False, card.output_shape(name)) for name in card.outputs}
    found = {tensor.name: (tensor.is_input, tensor.row_shape) for tensor in tensors}
    noted: Mapping[str, str] = {str(entry["name"]): str(entry["dtype"]) for entry in card.engine["tensors"]}
    dtypes = {tensor.name: tensor.dtype.name for tensor in tensors}
    if found != wanted or noted != dtypes or dtypes[INPUT] != "uint8":
        raise rebuild(
            f"{path} and its card disagree: the card has {_listed({n: s for n, (_, s) in wanted.items()}, noted)}, "
            f"the engine {_listed({n: s for n, (_, s) in found.items()}, dtypes)}",
            card,
            path,
        )


def _listed(shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {dtypes.get(name, '')} {shape}" for name, shape in sorted(shapes.items()))


def _logger(tensorrt: Any) -> Any:
    """Return a TensorRT logger that passes lines on to ``logging`` and keeps the last complaints."""
    levels = {"INTERNAL_ERROR": logging.ERROR, "ERROR": logging.ERROR, "WARNING": logging.INFO}

    class Logger(tensorrt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.complaints: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            level = levels.get(severity.name, logging.DEBUG)
            text = " ".join(msg.split())
            if level == logging.ERROR:
                self.complaints = [*self.complaints, text][-_KEPT_LINES:]
                level = logging.INFO  # the named error that follows says it; twice is noise
            LOG.log(level, "%s", text)

    return Logger()
