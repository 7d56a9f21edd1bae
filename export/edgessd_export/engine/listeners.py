"""What TensorRT says while it builds: its log, and its progress with a way to stop it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

BAD = ("INTERNAL_ERROR", "ERROR")


class BuildLog(Protocol):
    """The lines kept of a build's log."""

    errors: list[str]
    warnings: list[str]
    notes: list[str]
    layers: list[str]


def build_log(trt: Any) -> Any:
    """Return a TensorRT logger that keeps what is needed later (see ``BuildLog``).

    Of the thousands of verbose lines only the list of engine layers is kept, so that its memory stays bounded.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []
            self.notes: list[str] = []
            self.layers: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity.name in BAD:
                self.errors.append(" ".join(msg.split()))
            elif severity.name == "WARNING":
                self.warnings.append(" ".join(msg.split()))
            elif severity.name == "INFO":
                self.notes.append(msg)
            elif "LayerType:" in msg:
                self.layers.extend(line for line in msg.splitlines() if "LayerType:" in line)

    return Log()


class Phases(Protocol):
    """Where a build's progress is shown; phases nest and each has a number of steps."""

    def start(self, phase: str, parent: str | None, steps: int) -> None: ...

    def step(self, phase: str, step: int) -> None: ...

    def finish(self, phase: str) -> None: ...


class Stop:
    """Whether the user asked to stop; true from the first Ctrl-C on."""

    def __init__(self) -> None:
        self.asked = False


def progress_monitor(trt: Any, phases: Phases, stop: Stop) -> Any:
    """Return a TensorRT progress monitor that shows phases, and ends the build once ``stop`` is asked."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            phases.step(phase_name, step)
            return not stop.asked

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()


@contextmanager
def stopping_on_interrupt() -> Iterator[Stop]:
    """Yield a ``Stop`` that the first Ctrl-C sets; a second one ends the process at once.

    An exception raised inside TensorRT's callbacks would have to cross its C++ frames; a flag need not.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may install a handler
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
