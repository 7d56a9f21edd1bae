"""The live page measured: frame age on a browser's screen, and what watching costs detection.

`python benchmarks/live_view.py` starts a camera that draws the time into its pictures, `edgessd run` with a page, and
Chromium, which reads the time from what it shows. Needs Chromium (Debian: apt install chromium) and playwright.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.browser import chromium  # noqa: E402
from servers.cameras import eventually, free_port, mjpeg_camera  # noqa: E402

from edgessd.view.password import hash_password  # noqa: E402

SCENE = ROOT / "runtime/edgessd/photos/motorbike.jpg"
WARM_UP_SECONDS = 5.0
# At every frame that the browser draws: the clock in the picture, a bit a square of its lower half, and its age.
WATCH = """(seconds) => new Promise((done) => {
  const image = document.querySelector("img.picture");
  const canvas = new OffscreenCanvas(16, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const ages = [];
  let last = -1;
  const end = performance.now() + seconds * 1000;
  const look = () => {
    const now = (performance.timeOrigin + performance.now()) % 65536;
    const side = image.naturalWidth / 16;
    for (let bit = 0; bit < 16; bit++) {
      context.drawImage(image, bit * side + side * 0.4, image.naturalHeight * 0.72, 4, 4, bit, 0, 1, 1);
    }
    const pixels = context.getImageData(0, 0, 16, 1).data;
    let clock = 0;
    for (let bit = 0; bit < 16; bit++) clock += pixels[bit * 4] > 127 ? 2 ** bit : 0;
    if (clock !== last && last >= 0) ages.push((now - clock + 65536) % 65536);
    last = clock;
    if (performance.now() < end) requestAnimationFrame(look);
    else done(ages);
  };
  look();
})"""


@contextmanager
def watched(model: str, fps: float, size: str, *, password: str | None = None) -> Iterator[tuple[int, Path, int]]:
    """Yield the port of a page, the lines that detection writes, and the process id."""
    camera, port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        lines, config = Path(folder) / "o.jsonl", Path(folder) / "c.toml"
        secret = f'password_hash = "{hash_password(password)}"\n' if password else ""
        config.write_text(
            f'model.path = "{model}"\nrun.workers = 1\n[view]\nport = {port}\nmax_watchers = 64\n{secret}'
            f'[[streams]]\nname = "door"\nsource = "http://127.0.0.1:{camera}/live"\n'
            f'[[sinks]]\ntype = "jsonl"\npath = "{lines}"\n'
        )
        stack.enter_context(mjpeg_camera(camera, "--fps", fps, "--size", size, "--clock", "--scene", SCENE))
        process = subprocess.Popen([sys.executable, "-m", "edgessd", "run", config])
        try:
            assert eventually(lambda: lines.exists() and lines.stat().st_size > 10_000, 60)
            yield port, lines, process.pid
        finally:
            process.terminate()
            process.wait(20)


def ages_ms(port: int, seconds: float) -> np.ndarray:
    """Return how old each new picture was when the browser drew it."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("img.picture.there")
        page.wait_for_timeout(WARM_UP_SECONDS * 1000)
        return np.array(page.evaluate(WATCH, seconds))


def rate(lines: Path, seconds: float) -> tuple[float, float]:
    """Return the results a second and the 95th percentile of their age, of the next so many seconds."""
    start = lines.stat().st_size
    time.sleep(seconds)
    with lines.open() as file:
        file.seek(start)
        rows = [json.loads(line) for line in file.read().splitlines()[1:-1]]
    rows = [row for row in rows if "frame" in row]
    times = [row["time"] for row in rows]
    return (len(times) - 1) / (times[-1] - times[0]), float(np.percentile([row["age_ms"] for row in rows], 95))


@contextmanager
def attack(port: int) -> Iterator[None]:
    """Guess passwords as fast as the page answers, and hold 200 connections that ask a byte a second."""
    stop = threading.Event()
    codes: Counter[int] = Counter()

    def guess() -> None:
        origin = {"Origin": f"http://127.0.0.1:{port}"}
        while not stop.is_set():
            connection = HTTPConnection("127.0.0.1", port, timeout=20)
            with suppress(OSError, HTTPException):
                connection.request("POST", "/login", f"password=wrong{sum(codes.values())}", origin)
                codes[connection.getresponse().status] += 1
            connection.close()
            time.sleep(0.01)

    def trickle() -> None:
        slow: list[socket.socket] = []
        while not stop.wait(1):
            while len(slow) < 200:
                slow.append(socket.create_connection(("127.0.0.1", port)))
                slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
            for connection in list(slow):
                try:
                    connection.sendall(b"x")
                except OSError:
                    slow.remove(connection)
        for connection in slow:
            connection.close()

    threads = [threading.Thread(target=work, daemon=True) for work in (guess, trickle)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()
    print(f"passwords tried, by the answer's code: {dict(codes)}")


@contextmanager
def crowd(port: int, readers: int, sleepers: int) -> Iterator[None]:
    """Watch as so many who read, and so many who never do."""
    stop = threading.Event()

    def read(connection: socket.socket) -> None:
        while not stop.is_set() and connection.recv(1 << 20):
            pass

    with ExitStack() as stack:
        for number in range(readers + sleepers):
            watcher = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            watcher.sendall(b"GET /live.mjpeg?camera=door HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if number < readers:
                threading.Thread(target=read, args=(watcher,), daemon=True).start()
        time.sleep(1)
        yield
        stop.set()


def cpu_seconds(process: int) -> float:
    """Return what a process has used of its cores."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(port: int) -> dict:
    """Return what the page is told."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/api/status")
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="default")
    parser.add_argument("--fps", type=float, default=15)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {options.model}, {options.size}")
    with watched(options.model, options.fps, options.size) as (port, lines, process):
        ages = ages_ms(port, options.seconds)
        gaps = np.percentile(ages, [50, 95])
        print(f"age on the screen: median {gaps[0]:.0f} ms, p95 {gaps[1]:.0f} ms, {len(ages)} pictures")
        seconds = options.seconds / options.rounds
        for _ in range(options.rounds):
            row = []
            for readers, sleepers in ((0, 0), (15, 5)):
                with crowd(port, readers, sleepers):
                    made, used = status(port)["cameras"][0]["encoded"], cpu_seconds(process)
                    fps, age = rate(lines, seconds)
                    made, used = status(port)["cameras"][0]["encoded"] - made, cpu_seconds(process) - used
                row.append((fps, age, made / seconds, used / seconds))
            for count, (fps, age, made, used) in zip((0, 20), row, strict=True):
                print(
                    f"{count} watchers: {fps:.3f} results a second, p95 age {age:.0f} ms, "
                    f"{made:.1f} pictures encoded a second, {used:.2f} cores"
                )

    with watched(options.model, options.fps, options.size, password="correct horse") as (port, lines, _):
        for _ in range(options.rounds):
            fps, age = rate(lines, seconds)
            print(f"no attack: {fps:.3f} results a second, p95 age {age:.0f} ms")
            with attack(port):
                fps, age = rate(lines, seconds)
            print(f"under attack: {fps:.3f} results a second, p95 age {age:.0f} ms")


if __name__ == "__main__":
    main()
