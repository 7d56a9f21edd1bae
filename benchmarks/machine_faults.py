"""Faults of the machine, done to `edgessd` as a process: the table of docs/measurements/robustness.md.

`python benchmarks/machine_faults.py` takes about four minutes. It needs root for the small disk, and faketime
(`apt install faketime`) for the clock; what is absent is said in its row. One HTTP camera of 15 FPS runs beside.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import cv2  # noqa: E402
import pytest  # noqa: E402
from disks import disk_of_16_mb, fill_up  # noqa: E402
from servers.cameras import eventually, free_port, mjpeg_camera  # noqa: E402

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
FPS = 15
TINY = ROOT / "tests/runtime/tiny.onnx"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    done: str
    happened: str
    lost: str


class Service:
    """`edgessd run` on one camera, and what its JSON lines hold."""

    def __init__(self, process: subprocess.Popen[bytes], lines: Path, log: Path) -> None:
        self.process, self.lines, self.log = process, lines, log

    def frames(self) -> list[int]:
        """Return the numbers of the frames that were written; a line that is no JSON is a ValueError."""
        complete = self.lines.read_bytes().rpartition(b"\n")[0].splitlines()
        return [record["frame"] for record in map(json.loads, complete) if "frame" in record]

    def goes_on(self, seconds: float = 20) -> bool:
        """Return whether more frames come."""
        count = len(self.frames())
        return eventually(lambda: len(self.frames()) > count + FPS, seconds)

    def missing(self) -> str:
        """Return how many frames between the first and the last were not written."""
        numbers = self.frames()
        gaps = sum(after - before - 1 for before, after in pairwise(numbers) if after > before)
        return f"{gaps} of {len(numbers) + gaps} frames"

    def said(self, text: str) -> bool:
        """Return whether the log holds a text."""
        return text in self.log.read_text()

    def rss_mb(self) -> float:
        """Return the process's memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def stop(self) -> int:
        """Return the exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def service(folder: Path, sinks: str = "", *, environment: dict[str, str] | None = None) -> Iterator[Service]:
    """Yield a running service once it writes frames; its JSON lines lie in ``folder``."""
    port, config = free_port(), folder / "c.toml"
    lines, log = folder / "o.jsonl", folder / "log"
    config.write_text(
        f'model.path = "{TINY}"\n[[streams]]\nname = "door"\nsource = "http://127.0.0.1:{port}/live"\n'
        f'[[sinks]]\ntype = "jsonl"\npath = "{lines}"\n{sinks}'
    )
    command = [sys.executable, "-m", "edgessd", "run", str(config)]
    with mjpeg_camera(port, "--fps", FPS), log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env={**os.environ, **(environment or {})})
        running = Service(process, lines, log)
        try:
            if not eventually(lambda: lines.exists() and len(running.frames()) > FPS, 60):
                raise TimeoutError(log.read_text())
            yield running
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


def full_disk_of_a_video(folder: Path) -> Row:
    """`detect --out` onto a disk that has no room for its video."""
    clip, old = folder / "clip.avi", b"an older video"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
    noise = cv2.randu(cv2.UMat(720, 1280, cv2.CV_8UC3), 0, 255).get()
    for _ in range(150):
        writer.write(noise)
    writer.release()
    with disk_of_16_mb(folder / "disk") as disk:
        out = disk / "o.mp4"
        out.write_bytes(old)
        with pytest.raises(OSError, match="No space"):
            fill_up(disk / "fill")
        os.truncate(disk / "fill", (disk / "fill").stat().st_size - 500_000)
        command = [sys.executable, "-m", "edgessd", "detect", str(clip), "-m", str(TINY), "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        kept = "the older file is untouched" if out.read_bytes() == old else "the OLDER FILE IS GONE"
        left = len(list(disk.iterdir())) - 2
    error = done.stderr.strip().splitlines()[-1].replace(str(folder), "")[:110]
    happened = f"exit {done.returncode}, `{error}`"
    return Row("`detect --out` with 0.5 MB of disk left", happened, f"{kept}; {left} left over")


def full_disk_of_a_service(folder: Path) -> Row:
    """A service's disk is filled for ten seconds and freed again."""
    with disk_of_16_mb(folder / "disk") as disk:
        sinks = f'[[sinks]]\ntype = "snapshots"\nfolder = "{disk}/shots"\ninterval = 0\nkeep = 50\n'
        with service(disk, sinks) as running:
            fill = disk / "fill"
            with pytest.raises(OSError, match="No space"):
                fill_up(fill)
            time.sleep(10)
            fill.unlink()
            onward = running.goes_on()
            code, missing = running.stop(), running.missing()
        empty = sum(not path.stat().st_size for path in (disk / "shots").rglob("*.jpg"))
    happened = f"told in the log, {'goes on when there is room' if onward else 'DOES NOT GO ON'}, exit {code}"
    return Row("the disk of `run` full for 10 s", happened, f"{missing}; {empty} empty pictures")


def clock_set_back(folder: Path) -> Row:
    """The clock jumps a day back while snapshots are kept."""
    if not FAKETIME.exists():
        return Row("the clock set back by a day", "not tried: faketime is not installed", "")
    offset, shots = folder / "offset", folder / "shots"
    offset.write_text("+0d")
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else its waits last a day
    }
    sinks = f'[[sinks]]\ntype = "snapshots"\nfolder = "{shots}"\ninterval = 0.5\nkeep = 5\n'
    with service(folder, sinks, environment=environment) as running:
        eventually(lambda: len(list(shots.rglob("*.jpg"))) >= 5, 20)
        before = {path.name for path in shots.rglob("*.jpg")}
        offset.write_text("-1d")
        time.sleep(8)
        after = {path.name for path in shots.rglob("*.jpg")}
        onward, code = running.goes_on(), running.stop()
    new = len(after - before)
    happened = f"{'goes on' if onward else 'DOES NOT GO ON'}, {new} of the 5 kept snapshots are newer, exit {code}"
    return Row("the clock set back by a day", happened, running.missing())


def few_descriptors(folder: Path) -> Row:
    """`ulimit -n 40`."""
    config = folder / "c.toml"
    streams = "".join(f'[[streams]]\nname = "s{number}"\nsource = "{folder}/clip.avi"\n' for number in range(30))
    config.write_text(f'model.path = "{TINY}"\n{streams}[[sinks]]\ntype = "jsonl"\npath = "{folder}/o.jsonl"\n')
    writer = cv2.VideoWriter(str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for _ in range(30):
        writer.write(cv2.UMat(48, 64, cv2.CV_8UC3).get())
    writer.release()
    command = f"ulimit -n 40; exec {sys.executable} -m edgessd run {config}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    named = next((line for line in done.stderr.splitlines() if "open files" in line or "descriptors" in line), None)
    named = (named or done.stderr.strip().splitlines()[-1]).replace(str(folder), "")[-110:]
    trace = ", a TRACEBACK" if "Traceback" in done.stderr else ""
    return Row("`ulimit -n 40`, 30 streams", f"exit {done.returncode}{trace}, `{named}`", "not counted")


def frozen(folder: Path, seconds: float) -> Row:
    """SIGSTOP for a while."""
    with service(folder) as running:
        running.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        running.process.send_signal(signal.SIGCONT)
        start = time.monotonic()
        count = len(running.frames())
        eventually(lambda: len(running.frames()) > count, 60)
        took = time.monotonic() - start
        onward = running.goes_on()
        blamed = "the camera is BLAMED (stale)" if running.said("stale") else "the camera is not blamed"
        code = running.stop()
    happened = f"frames again after {took:.1f} s, {blamed}, exit {code}"
    return Row(f"SIGSTOP for {seconds:g} s", happened if onward else "DOES NOT GO ON", "what came while it stood")


def hostile_name(folder: Path) -> Row:
    """A stream whose name would leave the folder of its snapshots."""
    config = folder / "c.toml"
    config.write_text(
        f'model.path = "{TINY}"\n[[streams]]\nname = "../../x"\nsource = "0"\n'
        f'[[sinks]]\ntype = "snapshots"\nfolder = "{folder}/a/b/c"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "edgessd", "run", str(config)], capture_output=True, text=True, timeout=60
    )
    error = done.stderr.strip().splitlines()[-1].replace(str(folder), "")[:110]
    return Row("a stream called `../../x`", f"exit {done.returncode}, `{error}`", "nothing: it does not start")


def silent_webhook(folder: Path) -> Row:
    """A webhook's server takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sinks = f'[[sinks]]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\ninterval = 0\n'
        with service(folder, sinks) as running:
            time.sleep(15)
            onward = running.goes_on()
            start = time.monotonic()
            code, took = running.stop(), time.monotonic() - start
    happened = f"{'detection goes on' if onward else 'DETECTION STANDS'}, exit {code} {took:.0f} s after SIGTERM"
    return Row("a webhook that never answers", happened, f"its messages; {running.missing()} in the JSON lines")


def many_connections(folder: Path, count: int = 1000) -> Row:
    """Idle connections to the metrics."""
    port = free_port()
    with service(folder, f'[[sinks]]\ntype = "prometheus"\nport = {port}\n') as running, ExitStack() as stack:
        before = running.rss_mb()
        opened = 0
        for _ in range(count):
            try:
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=1))
                opened += 1
            except OSError:
                break
        onward = running.goes_on()
        answered = threading.Event()

        def scrape() -> None:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
                if b"edgessd_" in answer.read():
                    answered.set()

        asking = threading.Thread(target=scrape, daemon=True)
        asking.start()
        asking.join(25)
        grown = running.rss_mb() - before
        code = running.stop()
    happened = (
        f"{opened} are taken (+{grown:.0f} MB), {'detection goes on' if onward else 'DETECTION STANDS'}, "
        f"a scrape beside them is {'answered' if answered.is_set() else 'NOT answered'}, exit {code}"
    )
    return Row(f"{count} idle connections to the metrics", happened, running.missing())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stop", type=float, default=60, help="seconds of SIGSTOP")
    parser.add_argument("--only", help="the name of one fault")
    options = parser.parse_args()
    faults: list[tuple[str, Callable[[Path], Row]]] = [
        ("full_disk_of_a_video", full_disk_of_a_video),
        ("full_disk_of_a_service", full_disk_of_a_service),
        ("clock_set_back", clock_set_back),
        ("few_descriptors", few_descriptors),
        ("frozen", lambda folder: frozen(folder, options.stop)),
        ("hostile_name", hostile_name),
        ("silent_webhook", silent_webhook),
        ("many_connections", many_connections),
    ]
    print("| what was done | what happened | what was lost |\n|---|---|---|", flush=True)
    for name, fault in faults:
        if options.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as place:
            try:
                row = fault(Path(place))
            except (TimeoutError, subprocess.TimeoutExpired, pytest.skip.Exception) as error:
                row = Row(name, f"not done: {str(error).splitlines()[-1][:100]}", "")
        print(f"| {row.done} | {row.happened} | {row.lost} |", flush=True)


if __name__ == "__main__":
    main()
