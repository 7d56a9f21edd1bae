"""A stand-in for TensorRT that records what is asked of it; its engines compute the tiny model in numpy.

Inference is put on the stand-in driver's stream and runs when somebody waits, so it can be recorded in a graph.
``CALLS`` holds every call with its thread; ``faults`` makes single things go wrong.
"""

import ctypes
import enum
import json
import threading
from types import SimpleNamespace

import numpy as np
from stand_in_cuda import LOADED

__version__ = "10.3.0"
CALLS: list[tuple[str, str]] = []
faults = SimpleNamespace()


def as_new() -> None:
    """Forget the calls and the faults."""
    CALLS.clear()
    faults.__dict__.update(contexts=99, executions=None, in_capture=True, deserialise=True, scale=1.0, graph_scale=1.0)


as_new()


def note(call: str) -> None:
    CALLS.append((call, threading.current_thread().name))


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    UINT8 = 5


class ILogger:
    Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")

    def log(self, severity: enum.Enum, msg: str) -> None: ...


class Runtime:
    engine_host_code_allowed = False

    def __init__(self, logger: ILogger) -> None:
        self.logger = logger
        note("Runtime")

    def deserialize_cuda_engine(self, data: bytes) -> "ICudaEngine | None":
        note("deserialize_cuda_engine")
        assert LOADED[0].stand_in_has_context(), "deserialised without a context"
        if not faults.deserialise:
            self.logger.log(
                ILogger.Severity.ERROR, "Serialization assertion stdVersionRead == kSERIALIZATION_VERSION\nfailed."
            )
            return None
        return ICudaEngine(json.loads(data), self.logger)

    def __del__(self) -> None:
        note("del Runtime")


class ICudaEngine:
    def __init__(self, table: dict, logger: ILogger) -> None:
        self.tensors, self.profile, self.logger = table["tensors"], table["profile"], logger
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return self.tensors[index]["name"]

    def _of(self, name: str) -> dict:
        return next(tensor for tensor in self.tensors if tensor["name"] == name)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode[self._of(name)["mode"].upper()]

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"float32": DataType.FLOAT, "uint8": DataType.UINT8}[self._of(name)["dtype"]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._of(name)["shape"])

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        return [(batch, *self._of(name)["shape"][1:]) for batch in self.profile]

    def create_execution_context(self) -> "IExecutionContext | None":
        note("create_execution_context")
        faults.contexts -= 1
        if faults.contexts < 0:
            self.logger.log(ILogger.Severity.ERROR, "Cuda Runtime (out of memory)")
            return None
        return IExecutionContext(self)

    def __del__(self) -> None:
        note("del ICudaEngine")


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self.engine, self.addresses, self.batch = engine, {}, 0
        self.work = {}

    def set_tensor_address(self, name: str, memory: int) -> bool:
        note(f"set_tensor_address {name}")
        self.addresses[name] = memory
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        note(f"set_input_shape {shape[0]}")
        smallest, _, largest = self.engine.profile
        self.batch = shape[0]
        return smallest <= shape[0] <= largest

    def execute_async_v3(self, stream: int) -> bool:
        note("execute_async_v3")
        assert LOADED[0].stand_in_has_context(), "executed without a context"
        capturing = bool(LOADED[0].stand_in_capturing(stream))
        if faults.executions is not None:
            faults.executions -= 1
        if faults.executions == -1 or (capturing and not faults.in_capture):
            self.engine.logger.log(ILogger.Severity.ERROR, "Error Code 1: Myelin (cannot run)")
            return False
        work = self._work(self.batch, capturing)
        return LOADED[0].stand_in_enqueue(stream, ctypes.cast(work, ctypes.c_void_p), None) == 0

    def _work(self, batch: int, capturing: bool):
        """Return the C function that computes one batch; one for each batch, so that nothing grows."""
        key = batch, capturing
        if key not in self.work:
            addresses, (_, height, width, _) = self.addresses, self.engine._of("image")["shape"]
            on_device = LOADED[0].stand_in_on_device

            def compute(_: int) -> int:
                scale = faults.graph_scale if capturing else faults.scale
                image, scores, offsets = (addresses[name] for name in ("image", "scores", "offsets"))
                sizes = (batch * height * width * 3, batch * 12 * 2 * 4, batch * 12 * 4 * 4)
                if not all(on_device(at, size) for at, size in zip((image, scores, offsets), sizes, strict=True)):
                    return 700
                pixels = np.ctypeslib.as_array((ctypes.c_uint8 * sizes[0]).from_address(image))
                cells = pixels.reshape(batch, 3, 8, 4, 8, 3).astype(np.float32).mean(axis=(2, 4)) / 255
                answer = np.ctypeslib.as_array((ctypes.c_float * (batch * 24)).from_address(scores))
                answer[:] = cells.reshape(batch, 12, 3)[..., [0, 2]].reshape(-1) * np.float32(scale)
                np.ctypeslib.as_array((ctypes.c_float * (batch * 48)).from_address(offsets))[:] = 0
                return 0

            self.work[key] = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(compute)
        return self.work[key]

    def __del__(self) -> None:
        note(f"del IExecutionContext {'with' if LOADED[0].stand_in_has_context() else 'without'} context")
