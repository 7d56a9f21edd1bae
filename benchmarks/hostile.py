"""A good camera beside hostile ones: its frames with each against its frames alone, and the memory of the process.

`python benchmarks/hostile.py` prints the table of docs/measurements/robustness.md; it takes about five minutes. Each
hostile camera runs for some seconds between two spells of the good one alone, so that a busy machine slows all three.
``--via`` reads all cameras by the program ffmpeg or by GStreamer; the memory then includes those programs.
"""

import argparse
import itertools
import os
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.cameras import eventually, free_port, mjpeg_camera, process  # noqa: E402

from edgessd import Detector  # noqa: E402
from edgessd.bench.measure import rss_mb  # noqa: E402
from edgessd.streams import QueuedSink, Streams  # noqa: E402
from edgessd.streams.result import Result  # noqa: E402
from edgessd.streams.status import Status  # noqa: E402

TINY = ROOT / "tests" / "runtime" / "tiny.onnx"
FPS = 15
DECODERS = ("ffmpeg", "gst-launch-1.0")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n"
PART = b"--f\r\nContent-Type: image/jpeg\r\n\r\n"
# A frame header of 32000x32000, three components, and nothing behind it.
BOMB = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, 32000, 32000, 3) + bytes(range(9)) + b"\xff\xda" + bytes(300)


def bombs() -> Iterator[bytes]:
    """Pictures that declare a gigapixel."""
    yield HEAD
    while True:
        yield PART + BOMB + b"\xff\xd9\r\n"


def segments() -> Iterator[bytes]:
    """A JPEG of two-byte segments without an end."""
    yield HEAD + PART + b"\xff\xd8"
    while True:
        yield b"\xff\xe0\x00\x02" * 16384


def noise() -> Iterator[bytes]:
    """Bytes that are nothing, as fast as they are read."""
    yield HEAD
    while True:
        yield bytes(range(1, 128)) * 512


def header() -> Iterator[bytes]:
    """A header line without an end."""
    yield b"HTTP/1.1 200 OK\r\nX: "
    while True:
        yield b"a" * 65536


def drip() -> Iterator[bytes]:
    """A byte now and then."""
    for value in itertools.cycle(HEAD):
        yield bytes([value])
        time.sleep(0.5)


def silence() -> Iterator[bytes]:
    """Nothing."""
    time.sleep(3600)
    yield b""


def redirects() -> Iterator[bytes]:
    """A redirect to itself."""
    yield b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def compressed() -> Iterator[bytes]:
    """An answer that unpacks to more than it weighs."""
    yield HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n" + bytes(1000)


HTTP: dict[str, Callable[[], Iterator[bytes]]] = {
    "pictures of 32000x32000 in 335 bytes": bombs,
    "a JPEG of two-byte segments without an end": segments,
    "bytes that are nothing": noise,
    "a header without an end": header,
    "a byte every 0.5 s": drip,
    "no answer": silence,
    "a redirect to itself": redirects,
    "a compressed answer": compressed,
}


def serve(port: int, make: Callable[[], Iterator[bytes]]) -> None:
    """Send each connection what a hostile camera sends."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(4096)
            for piece in make():
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", port)) as listening:
        print("ready", flush=True)
        while True:
            threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()


class Counted:
    """A sink that counts the results of each stream."""

    needs_image = False

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def write(self, result: Result) -> None:
        """Count one result."""
        self.of[result.frame.source] += 1

    def report(self, status: Status) -> None:
        """States are asked for."""

    def close(self) -> None:
        """Nothing is open."""


class Memory:
    """The most memory (MB) of this process together with the decoders it started, since ``forget``."""

    def __init__(self) -> None:
        self.most = 0.0
        threading.Thread(target=self._look, daemon=True).start()

    def forget(self) -> None:
        """Begin anew."""
        self.most = 0.0

    def _look(self) -> None:
        while True:
            self.most = max(self.most, rss_mb() + decoders_mb())
            time.sleep(0.05)


def decoders_mb() -> float:
    """Return what the running decoders of this process held at most (MB): a picture is held for less than a look."""
    held = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):  # it has ended meanwhile
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if int(lines["PPid"]) == os.getpid() and lines["Name"].strip() in DECODERS:
                held += int(lines.get("VmHWM", "0 kB").split()[0]) * 1024 / 1e6
    return held


def source(url: str, via: str) -> str:
    """Return the text of a source that reads a URL by OpenCV, the program ffmpeg or GStreamer."""
    if via != "gst":
        return f"{url}#via={via}"
    if url.startswith("rtsp:"):
        return f"gst:rtspsrc location={url} latency=0 ! decodebin"
    return f"gst:souphttpsrc location={url} ! multipartdemux ! jpegdec"


def rate(counted: Counted, name: str, seconds: float) -> float:
    """Return a stream's results a second over some seconds."""
    first, start = counted.of[name], time.monotonic()
    time.sleep(seconds)
    return (counted.of[name] - first) / (time.monotonic() - start)


def beside(streams: Streams, counted: Counted, memory: Memory, hostile: str, seconds: float) -> str:
    """Return the good camera's rate with a hostile one against its rate before and after, and the memory."""
    before = rate(counted, "good", seconds)
    memory.forget()
    streams.add("hostile", hostile)
    time.sleep(1)
    with_it = rate(counted, "good", seconds)
    most = memory.most
    state = next(status for status in streams.statuses() if status.name == "hostile")
    streams.remove("hostile")
    time.sleep(1)
    after = rate(counted, "good", seconds)
    return f"{with_it / ((before + after) / 2):.3f} | {most:.0f} MB | {state.state}: {state.reason}"


def even(count: int, seconds: float) -> str:
    """Return how evenly so many cameras of 2 FPS are served."""
    counted = Counted()
    port = free_port()
    with (
        mjpeg_camera(port, "--fps", 2),
        Detector(str(TINY), workers=2) as detector,
        Streams(detector, [QueuedSink("counted", counted)], workers=2) as streams,
    ):
        for number in range(count):
            streams.add(f"s{number}", f"http://127.0.0.1:{port}/live")
        eventually(lambda: len(counted.of) == count, 60)
        counted.of.clear()
        time.sleep(seconds)
        of = [counted.of[f"s{number}"] for number in range(count)]
        return f"{min(of)} to {max(of)} frames each in {seconds:.0f} s, {rss_mb():.0f} MB"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each spell")
    parser.add_argument("--via", choices=["opencv", "ffmpeg", "gst"], default="opencv", help="what reads the cameras")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(int(options.serve[0]), HTTP[options.serve[1]])
    print("| beside a good camera of 15 FPS | its frames, with to without | memory | called |\n|---|---|---|---|")
    counted, memory, port = Counted(), Memory(), free_port()
    with (
        mjpeg_camera(port, "--fps", FPS),
        Detector(str(TINY), workers=2) as detector,
        Streams(detector, [QueuedSink("counted", counted)], workers=2) as streams,
    ):
        streams.add("good", source(f"http://127.0.0.1:{port}/live", options.via))
        assert eventually(lambda: counted.of["good"] > FPS, 60)
        for kind in HTTP:
            for scheme in ("http", "rtsp") if kind in ("a byte every 0.5 s", "no answer") else ("http",):
                place = free_port()
                with process(sys.executable, __file__, "--serve", place, kind):
                    hostile = source(f"{scheme}://127.0.0.1:{place}/", options.via)
                    line = beside(streams, counted, memory, hostile, options.seconds)
                print(f"| {kind}, {scheme.upper()} | {line} |", flush=True)
    if options.via == "opencv":
        print(f"\n50 cameras of 2 FPS: {even(50, options.seconds)}")


if __name__ == "__main__":
    main()
