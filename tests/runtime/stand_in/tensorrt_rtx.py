"""The stand-in as TensorRT-RTX: the same calls, and contexts that capture CUDA graphs themselves."""

import enum
from types import SimpleNamespace

import tensorrt
from tensorrt import CALLS, DataType, ILogger, TensorIOMode, faults, note  # noqa: F401

__version__ = "1.7.1.116"


class CudaGraphStrategy(enum.Enum):
    DISABLED = 0
    WHOLE_GRAPH_CAPTURE = 1


class ICudaEngine(tensorrt.ICudaEngine):
    def create_runtime_config(self) -> SimpleNamespace:
        return SimpleNamespace(cuda_graph_strategy=CudaGraphStrategy.DISABLED)

    def create_execution_context(self, config: SimpleNamespace | None = None) -> tensorrt.IExecutionContext | None:
        note(f"strategy {config.cuda_graph_strategy.name if config else 'none'}")
        return super().create_execution_context()


class Runtime(tensorrt.Runtime):
    def deserialize_cuda_engine(self, data: bytes) -> ICudaEngine | None:
        found = super().deserialize_cuda_engine(data)
        if found is not None:
            found.__class__ = ICudaEngine
        return found
