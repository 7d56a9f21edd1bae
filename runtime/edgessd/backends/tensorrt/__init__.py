"""TensorRT 10, 11 and RTX: an engine on a ring of two slots, owned by one thread of its own."""

import atexit
import os
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends.cuda.library import load
from edgessd.backends.engine.file import check_engine_here, open_engine
from edgessd.backends.tensorrt.ring import Inbox, Job
from edgessd.backends.tensorrt.worker import Opened, Settings, serve
from edgessd.errors import BackendError, InputError
from edgessd.model.preprocess import check_image

EXIT_SECONDS = 10


class TensorRTBackend:
    """A loaded engine. Any thread may call ``infer``; a thread of the backend's own does all CUDA work."""

    def __init__(self, path: Path, *, workers: int, graphs: bool = True) -> None:
        """Load an engine and run its self-test on every slot.

        workers: how many threads will call ``infer`` at once. graphs: record CUDA graphs where that works.
        Raises EngineError for an engine its card does not confirm or that is not for this machine, NoCuda
        without driver or device, MissingExtra, OutOfDeviceMemory, BackendError.
        """
        # An engine is code: nothing below runs for a file whose hash is not the card's.
        self._card = card = open_engine(path)
        load()  # before TensorRT is imported, which may kill a process that has no driver
        check_engine_here(card, path)
        self._pid = os.getpid()
        inbox = Inbox()
        opened: Future[Opened] = Future()
        settings = Settings(overlap=workers > 1, graphs=graphs)
        worker = threading.Thread(
            target=serve, args=(path, card, settings, inbox, opened), name="edgessd-tensorrt", daemon=True
        )
        worker.start()
        try:
            ready = opened.result()
        except BaseException:
            inbox.end()
            worker.join(EXIT_SECONDS)
            raise
        self.name = ready.name
        self.slots = ready.slots
        self.most: int | None = ready.largest
        self._inbox = inbox
        # pycuda aborts a process that ends with a context still current, so the end of the interpreter closes
        # too. Registered after pycuda's import, it runs before pycuda's own clean-up.
        self._finish = weakref.finalize(self, _finish, inbox, worker, self._pid)
        self._finish.atexit = False
        atexit.register(self._finish)

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return the card's outputs for (B, H, W, 3) uint8 BGR at the network's size.

        Raises InputError for another shape or a batch beyond the engine's profile, DeviceLost when the GPU
        failed for good, BackendError otherwise.
        """
        expected = (self._card.height, self._card.width, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected or not len(images):
            raise InputError(f"expected uint8 (B, {expected[0]}, {expected[1]}, 3), got {images.dtype} {images.shape}")
        if self.most is not None and len(images) > self.most:
            raise InputError(
                f"this engine takes up to {self.most} images at once, got {len(images)}",
                fix=f"build it with `edgessd build ... --max-batch {len(images)}`",
            )
        return self._run(images)

    def infer_frame(self, frame: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        """Return the card's outputs for one BGR frame, (H, W, 3) uint8 of any size, resized on the GPU.

        Raises like ``infer``.
        """
        check_image(frame)
        if frame.shape[:2] == (self._card.height, self._card.width):
            return self._run(frame[None])
        return self._run(frame)

    def _run(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        if os.getpid() != self._pid:
            raise BackendError(
                f"this process was forked from {self._pid} after CUDA started there, and CUDA does not survive a fork",
                fix="open the detector in the new process, started with multiprocessing's 'spawn'",
            )
        job = Job(pixels)
        self._inbox.put(job)
        return job.result.result()

    def close(self) -> None:
        """Free the engine on its own thread; calling it twice, or in a forked process, is harmless."""
        atexit.unregister(self._finish)
        self._finish()


def _finish(inbox: Inbox, worker: threading.Thread, pid: int) -> None:
    """End the worker and wait for it, unless this process is a fork, where the thread does not exist."""
    if os.getpid() != pid:
        return
    inbox.end()
    if worker is not threading.current_thread():  # the garbage collector runs on any thread
        worker.join(EXIT_SECONDS)
