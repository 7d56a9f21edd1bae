"""NVIDIA's Triton as a process: the tests' own, of the wheel in .venv-triton."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from servers.cameras import free_port

ROOT = Path(__file__).parents[2]
SERVE = ROOT / "deploy/triton/serve.sh"
PYTHON = Path(os.environ.get("EDGESSD_TRITON_PYTHON", ROOT / ".venv-triton/bin/python"))
_START_SECONDS = 120


def triton_python() -> Path:
    """Return the interpreter that has Triton and its client; skip the test where there is none."""
    if not PYTHON.exists():
        pytest.skip("needs the program tritonserver: make .venv-triton/.ready")
    return PYTHON


@dataclass
class Triton:
    """A server that may be ended and started again on the same ports."""

    repository: Path
    log: Path
    http: int
    grpc: int
    metrics: int
    running: "subprocess.Popen[bytes] | None" = None

    def start(self, *, wait: bool = True) -> None:
        """Start it; wait until its models are ready."""
        ports = (f"--http-port={self.http}", f"--grpc-port={self.grpc}", f"--metrics-port={self.metrics}")
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [SERVE, triton_python(), self.repository, *ports],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + _START_SECONDS
        while wait and not self.ready():
            assert self.running.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.1)

    def ready(self) -> bool:
        """Return whether its models are ready."""
        connection = HTTPConnection("127.0.0.1", self.http, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """End it at once, with the process of its Python model."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None


@contextmanager
def triton(repository: Path, log: Path) -> Iterator[Triton]:
    """Yield a server of a model repository; skip the test where there is none."""
    triton_python()
    server = Triton(repository, log, free_port(), free_port(), free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()
