"""Kills each writer many times and looks at what lies under the final names: ``python benchmarks/kills.py [COUNT]``.

A process writes segments, snapshots, JSON lines and one video, and is killed after a random time. Every file under a
final name must then be whole: a video holds frames, a picture decodes, every line is JSON. At the end the next start
must have removed or put in place all that was unfinished.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2

from edgessd.sinks.video_writer import count_frames

MOST_UNFINISHED = 4  # a segment, a snapshot, a video, and one more of the time between
WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from results import LABELS, result
from edgessd.sinks import JsonlSink, VideoSink
from edgessd.sinks.images import SnapshotSink
from edgessd.sinks.video import SegmentSink
folder = Path({folder!r})
steady = [
    SegmentSink(folder / "segments", LABELS, segment_seconds=0.3, keep=20),
    SnapshotSink(folder / "snapshots", LABELS, interval=0, keep=20),
    JsonlSink(folder / "o.jsonl", LABELS, max_bytes=50_000, keep=2),
]
while True:
    video = VideoSink(folder / "o.mp4", LABELS, fps=30)
    for index in range(15):
        for sink in (*steady, video):
            sink.write(result(index, height=240, width=320, noise=True))
        if index == 1:
            print("ready", flush=True)
    video.close()
"""


def kill_once(folder: Path, chance: random.Random) -> None:
    """Start the writer and kill it up to a second after it is ready."""
    script = WRITER.format(tests=str(Path(__file__).parents[1] / "tests"), folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(chance.random())
        process.kill()


def broken_files(folder: Path) -> list[str]:
    """Return what under a final name is not whole."""
    broken = []
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix in (".mkv", ".mp4"):
            whole = count_frames(path) > 0
        elif path.suffix == ".jpg":
            whole = cv2.imread(str(path)) is not None
        else:
            whole = all(_is_json(line) for line in path.read_text().splitlines())
        if not whole:
            broken.append(path.name)
    return broken


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def main() -> None:
    """Kill, look, count."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    chance = random.Random(0)
    broken: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left = 0
        for _ in range(kills):
            kill_once(folder, chance)
            broken.update(broken_files(folder))
            left = max(left, sum(path.name.startswith(".") for path in folder.rglob("*")))
        files = sum(path.is_file() and not path.name.startswith(".") for path in folder.rglob("*"))
    print(
        f"{kills} kills: {files} files at the end, broken {dict(broken) or 'none'}, unfinished at most {left} at once"
    )
    sys.exit(bool(broken) or left > MOST_UNFINISHED)


if __name__ == "__main__":
    main()
