"""One place of the ring: an execution context with its stream, its buffers and its CUDA graph."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.buffer import Buffer
from edgessd.backends.cuda.driver import Driver
from edgessd.backends.cuda.errors import CudaError, DeviceLost, OutOfDeviceMemory
from edgessd.backends.cuda.resize import FrameResizer, load_resize_kernel
from edgessd.backends.tensorrt.engine import INPUT, Engine, captures_itself
from edgessd.errors import BackendError

LOG = logging.getLogger("edgessd.tensorrt")


class GraphUse:
    """Whether CUDA graphs are used; the first failure turns them off for all slots, said once."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def give_up(self, reason: object) -> None:
        """Run without graphs from now on."""
        if self.wanted:
            LOG.warning("running without CUDA graphs, which costs some launch time: %s", reason)
        self.wanted = False


class Slot:
    """A context, a stream, buffers at the profile's largest batch, and the graph of the last batch size.

    All calls belong to the thread of the driver. After ``submit`` comes ``wait``, then ``outputs``.
    """

    def __init__(self, driver: Driver, engine: Engine, graphs: GraphUse) -> None:
        """Raises OutOfDeviceMemory or BackendError; what was allocated until then is freed."""
        self._driver = driver
        self._engine = engine
        self._graphs = graphs
        self._graph: int | None = None
        self._batch = 0
        self._runs = 0  # since the batch changed
        self._resizer: FrameResizer | None = None
        self._buffers: dict[str, Buffer] = {}
        self.stream = self._done = 0
        self._context = engine.create_context(own_graph=graphs.wanted)
        try:
            self.stream = driver.create_stream()
            self._done = driver.create_event(timed=False)
            for tensor in engine.tensors:
                buffer = Buffer(driver, engine.largest * tensor.row_bytes)
                self._buffers[tensor.name] = buffer
                if not self._context.set_tensor_address(tensor.name, buffer.pointer):
                    raise BackendError(f"{engine.title} refuses the memory of tensor {tensor.name}: {engine.said()}")
        except BaseException:
            self.close()
            raise

    def submit(self, images: NDArray[np.uint8]) -> None:
        """Start the inference of (B, H, W, 3) images, B within the profile's largest."""
        buffer = self._buffers[INPUT]
        np.copyto(buffer.pinned.bytes[: images.nbytes].reshape(images.shape), images)
        buffer.to_device(images.nbytes, self.stream)
        self._enqueue(len(images))

    def submit_frame(self, frame: NDArray[np.uint8]) -> None:
        """Start the inference of one (H, W, 3) frame of any size, resized on the device."""
        if self._resizer is None:
            height, width = next(tensor.row_shape for tensor in self._engine.tensors if tensor.is_input)[:2]
            self._resizer = FrameResizer(self._driver, load_resize_kernel(self._driver), height, width)
        self._resizer.enqueue(frame, self._buffers[INPUT].pointer, self.stream)
        self._enqueue(1)

    def is_done(self) -> bool:
        """Return whether the last inference has ended."""
        return self._driver.is_done(self._done)

    def wait(self) -> None:
        """Block until the last inference has ended, without the interpreter's lock."""
        self._driver.wait(self._done)

    def outputs(self, names: tuple[str, ...], count: int) -> tuple[NDArray[Any], ...]:
        """Return copies of the first ``count`` rows of the named tensors."""
        tensors = {tensor.name: tensor for tensor in self._engine.tensors}
        return tuple(
            self._buffers[name]
            .pinned.bytes[: count * tensors[name].row_bytes]
            .view(tensors[name].dtype)
            .reshape(count, *tensors[name].row_shape)
            .copy()
            for name in names
        )

    @property
    def uses_graph(self) -> bool:
        """Return whether the last batch size runs as a CUDA graph."""
        return self._graph is not None

    def _enqueue(self, count: int) -> None:
        batch = max(count, self._engine.smallest)
        if batch != self._batch:
            self._set_batch(batch)
        # The first run at a size allocates and may not be recorded; the second is.
        if self._graph is None and self._runs == 1 and self._graphs.wanted:
            self._graph = self._record()
        if self._graph is not None and self._graphs.wanted:
            self._driver.launch_graph(self._graph, self.stream)
        else:
            self._execute()
        self._driver.record(self._done, self.stream)
        self._runs += 1

    def _set_batch(self, batch: int) -> None:
        shape = next(tensor.row_shape for tensor in self._engine.tensors if tensor.is_input)
        self._drop_graph()
        self._batch = self._runs = 0
        if not self._context.set_input_shape(INPUT, (batch, *shape)):
            raise BackendError(f"{self._engine.title} refuses a batch of {batch}: {self._engine.said()}")
        self._batch = batch

    def _execute(self) -> None:
        """Put the inference and the copies of its outputs on the stream."""
        if not self._context.execute_async_v3(self.stream):
            self._driver.check()  # a lost device is the better explanation
            raise BackendError(f"{self._engine.title} cannot run the engine: {self._engine.said()}")
        for tensor in self._engine.tensors:
            if not tensor.is_input:
                self._buffers[tensor.name].to_host(self._batch * tensor.row_bytes, self.stream)

    def _record(self) -> int | None:
        """Return the inference as a CUDA graph, None where that fails; the reason is logged."""
        if captures_itself(self._engine.tensorrt):
            return None  # a graph of the module's own runs inside execute_async_v3
        try:
            self._driver.begin_capture(self.stream)
        except CudaError as error:
            self._graphs.give_up(error)
            return None
        problem: Exception | None = None
        try:
            self._execute()
        # Whatever the bindings raise, recording must end first.
        except Exception as error:  # noqa: BLE001
            problem = error
        try:
            graph = self._driver.end_capture(self.stream)  # always: the stream is left capturing otherwise
        except DeviceLost:
            raise
        except CudaError as error:
            self._graphs.give_up(problem or error)
            return None
        if problem:
            self._driver.destroy_graph(graph)
            self._graphs.give_up(problem)
            return None
        return graph

    def forget_graph(self, reason: str) -> None:
        """Run without graphs from now on."""
        self._drop_graph()
        self._graphs.give_up(reason)

    def _drop_graph(self) -> None:
        if self._graph is not None:
            graph, self._graph = self._graph, None
            self._driver.destroy_graph(graph)

    def close(self) -> None:
        """Free all in the order of use: graph, context, buffers, event, stream. A lost device frees nothing more."""
        try:
            if self.stream:
                self._driver.synchronize(self.stream)
            self._drop_graph()
            self._context = None
            if self._resizer:
                self._resizer.close()
            for buffer in self._buffers.values():
                buffer.close()
            self._buffers.clear()
            if self._done:
                self._driver.destroy_event(self._done)
            if self.stream:
                self._driver.destroy_stream(self.stream)
        except CudaError as error:
            LOG.info("a slot was closed on a device that fails, which frees nothing more: %s", error)
        finally:
            self._context = None
            self.stream = self._done = 0


def open_slots(driver: Driver, engine: Engine, graphs: GraphUse, wanted: int) -> list[Slot]:
    """Return up to ``wanted`` slots; fewer, said in the log, where memory ends. Raises when not even one fits."""
    slots = [Slot(driver, engine, graphs)]
    while len(slots) < wanted:
        try:
            slots.append(Slot(driver, engine, graphs))
        except DeviceLost:
            raise
        except (OutOfDeviceMemory, BackendError) as error:
            LOG.warning("too little GPU memory for %d slots, running with %d: %s", wanted, len(slots), error)
            break
    return slots
