"""Camera faults, done to real servers on this machine, and how long detection took to notice and to recover.

`python benchmarks/faults.py --away 60` prints the table of docs/howto/streams.md. Needs what tests/servers need.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.cameras import Remembered, eventually, free_port, mjpeg_camera, rtsp_camera  # noqa: E402
from servers.numbered import number_of  # noqa: E402

from edgessd import Detector  # noqa: E402
from edgessd.bench.measure import rss_mb  # noqa: E402
from edgessd.streams import QueuedSink, Streams  # noqa: E402

CAPACITY = 1_000_000


class Bench:
    """Running streams, what they gave, and words about it."""

    def __init__(self, streams: Streams, memory: Remembered) -> None:
        self.streams = streams
        self.memory = memory

    def state(self, name: str) -> tuple[str, str | None]:
        """Return a stream's state and reason."""
        status = next(status for status in self.streams.statuses() if status.name == name)
        return str(status.state), status.reason

    def seconds_until(self, condition: Callable[[], object], most: float = 90) -> float:
        """Return how long a condition took to come true. Raises TimeoutError."""
        start = time.monotonic()
        if not eventually(condition, most):
            raise TimeoutError("it did not come true")
        return time.monotonic() - start

    def fresh(self, name: str) -> float:
        """Return the seconds until the stream gives another result."""
        count = len(self.memory.of(name))
        return self.seconds_until(lambda: len(self.memory.of(name)) > count)

    def lost(self, name: str) -> str:
        """Return how many numbers are missing among a numbered camera's frames."""
        numbers = [number_of(result.frame.image) for result in self.memory.of(name)]
        missing = sum(after - before - 1 for before, after in pairwise(numbers))
        return f"{missing} of {len(numbers)} frames lost"


@contextmanager
def running(model: str) -> Iterator[Bench]:
    """Yield streams with the product's own patience."""
    memory = Remembered()
    with Detector(model, workers=2) as detector:
        sinks = [QueuedSink("memory", memory, capacity=CAPACITY)]
        with Streams(detector, sinks, workers=2) as streams:
            yield Bench(streams, memory)


def killed(model: str, away: float, *, rtsp: bool) -> str:
    """kill -9 of the server, which comes back after a while; a second camera goes on."""
    port, other = free_port(), free_port()
    camera = rtsp_camera if rtsp else mjpeg_camera
    url = f"rtsp://127.0.0.1:{port}/live" if rtsp else f"http://127.0.0.1:{port}/live"
    with running(model) as bench, mjpeg_camera(other, "--fps", 15):
        bench.streams.add("other", f"http://127.0.0.1:{other}/live", policy="every")
        with camera(port) as server:
            bench.streams.add("camera", url)
            bench.fresh("camera")
            time.sleep(3)
            memory, threads = rss_mb(), threading.active_count()
            server.kill()
            stale = bench.seconds_until(lambda: bench.state("camera")[0] == "stale")
        reason = None
        give_up = time.monotonic() + away
        before = len(bench.memory.of("camera"))
        while time.monotonic() < give_up:
            reason = bench.state("camera")[1] or reason
            time.sleep(0.5)
        assert len(bench.memory.of("camera")) == before, "frames were invented"
        with camera(port):
            back = bench.fresh("camera")
            time.sleep(1)
            state = bench.state("camera")[0]
        grown = rss_mb() - memory - sum(r.frame.image.nbytes for r in bench.memory.results) / 1e6
        return (
            f"stale ({reason}) after {stale:.1f} s, no frame for {away:.0f} s; detection resumed {back:.2f} s after "
            f"the server's return, then {state}; the other camera: {bench.lost('other')}; memory {grown:+.1f} MB "
            f"beside the frames kept, threads {threading.active_count() - threads:+d}"
        )


def frozen(model: str, *, rtsp: bool) -> str:
    """SIGSTOP for ten seconds, then SIGCONT."""
    port = free_port()
    camera = rtsp_camera if rtsp else mjpeg_camera
    url = f"rtsp://127.0.0.1:{port}/live" if rtsp else f"http://127.0.0.1:{port}/live"
    with running(model) as bench, camera(port) as server:
        bench.streams.add("camera", url)
        bench.fresh("camera")
        time.sleep(2)
        server.send_signal(signal.SIGSTOP)
        stale = bench.seconds_until(lambda: bench.state("camera")[0] == "stale")
        time.sleep(10)
        state, reason = bench.state("camera")
        server.send_signal(signal.SIGCONT)
        back = bench.fresh("camera")
        bench.seconds_until(lambda: bench.state("camera")[0] == "live")
        return (
            f"stale after {stale:.1f} s, {state} ({reason}) after 10 s more; "
            f"detection resumed {back:.2f} s after SIGCONT"
        )


def garbage(model: str) -> str:
    """Random bytes instead of pictures."""
    port = free_port()
    with running(model) as bench, mjpeg_camera(port, "--garbage", "--fps", 0):
        bench.streams.add("camera", f"http://127.0.0.1:{port}/live")
        took = bench.seconds_until(lambda: bench.state("camera")[0] == "failed")
        return f"failed ({bench.state('camera')[1]}) after {took:.1f} s; the process goes on"


def resized(model: str) -> str:
    """From 128x48 to 256x96 in mid-stream."""
    port = free_port()
    with running(model) as bench, mjpeg_camera(port, "--resize-after", 30):
        bench.streams.add("camera", f"http://127.0.0.1:{port}/live", policy="every")
        bench.seconds_until(lambda: len(bench.memory.of("camera")) >= 60)
        shapes = {result.frame.image.shape[1::-1] for result in bench.memory.of("camera")}
        return f"frames of {sorted(shapes)} in order, {bench.lost('camera')}"


def flapping(model: str, *, rtsp: bool) -> str:
    """A stream that ends after 15 frames, again and again, for ten seconds."""
    port = free_port()
    camera = rtsp_camera if rtsp else mjpeg_camera
    url = f"rtsp://127.0.0.1:{port}/live" if rtsp else f"http://127.0.0.1:{port}/live"
    with running(model) as bench, camera(port, "--frames", 15):
        bench.streams.add("camera", url)
        bench.fresh("camera")
        time.sleep(10)
        status = bench.streams.statuses()[0]
        states = ", ".join(bench.memory.states("camera")[1:])
        return f"{status.reconnects} reconnections and {status.frames} frames in 10 s; states {states}"


def locked(model: str, *, rtsp: bool) -> str:
    """A wrong password."""
    port = free_port()
    camera = rtsp_camera if rtsp else mjpeg_camera
    scheme = "rtsp" if rtsp else "http"
    with running(model) as bench, camera(port, "--password", "right"):
        bench.streams.add("camera", f"{scheme}://admin:wrong@127.0.0.1:{port}/live")
        took = bench.seconds_until(lambda: bench.state("camera")[0] == "failed")
        return f"failed ({bench.state('camera')[1]}) after {took:.1f} s, tried again after 60 s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, default=60, help="seconds that a killed server stays away (default: 60)")
    parser.add_argument("--model", default=str(ROOT / "tests" / "runtime" / "tiny.onnx"))
    options = parser.parse_args()
    model, away = options.model, options.away
    rows: list[tuple[str, str, Callable[[], str]]] = [
        ("RTSP server dies", f"kill -9, back after {away:.0f} s", lambda: killed(model, away, rtsp=True)),
        ("HTTP camera dies", "kill -9, back after 5 s", lambda: killed(model, 5, rtsp=False)),
        ("RTSP server freezes", "SIGSTOP, SIGCONT", lambda: frozen(model, rtsp=True)),
        ("HTTP camera freezes", "SIGSTOP, SIGCONT", lambda: frozen(model, rtsp=False)),
        ("nonsense", "random bytes in place of JPEG", lambda: garbage(model)),
        ("another resolution", "128x48, then 256x96, in one connection", lambda: resized(model)),
        ("RTSP ends each second", "end of stream after 15 frames", lambda: flapping(model, rtsp=True)),
        ("HTTP ends each second", "connection closed after 15 frames", lambda: flapping(model, rtsp=False)),
        ("wrong password, RTSP", "401", lambda: locked(model, rtsp=True)),
        ("wrong password, HTTP", "401", lambda: locked(model, rtsp=False)),
    ]
    print(
        f"load average {os.getloadavg()[0]:.1f}\n\n| fault | what was done | what happened |\n|---|---|---|", flush=True
    )
    for name, done, measure in rows:
        print(f"| {name} | {done} | {measure()} |", flush=True)


if __name__ == "__main__":
    main()
