"""Kills each writer many times and looks at what lies under the final names: ``python benchmarks/kills.py [COUNT]``.

A process writes again and again, and is killed after a random time, in mid-work: segments, snapshots, JSON lines and a
video; events with their pictures; the state of a training run; an export; an engine in the cache; the folder of a
deployment; first labels; an archive. Every file under a final name must then be
whole, and at the end the next writer must have removed what was unfinished. Export and engines need their extras.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

TINY = ROOT / "tests" / "runtime" / "tiny.onnx"
MOST_UNFINISHED = 4  # a segment, a snapshot, a video, and one more of the time between
Writer = Callable[[Path], Iterator[object]]


def frames(folder: Path) -> Iterator[object]:
    """Write what `run` and `detect` write."""
    from results import LABELS, result

    from edgessd.sinks import JsonlSink, VideoSink
    from edgessd.sinks.images import SnapshotSink
    from edgessd.sinks.video import SegmentSink

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
            yield index
        video.close()


def training_state(folder: Path) -> Iterator[object]:
    """Write the state and the checkpoints of a run as it does after an epoch: 20 MB of tensors, more of each."""
    import torch
    from small_network import small_checkpoint

    from edgessd.util.files import replacing
    from edgessd_training.checkpoint import save_checkpoint

    torch.set_num_threads(1)
    small = small_checkpoint()
    for number in count():
        with replacing(folder / "state.pt") as unfinished:
            torch.save(
                {"edgessd_run": 1, "number": number, "network": torch.full((5_000_000,), float(number))}, unfinished
            )
        for name in ("last.pt", "best.pt"):
            save_checkpoint(folder / name, small.network, small.description, small.card)
        yield number


def export(folder: Path) -> Iterator[object]:
    """Write an exported network again and again: the graph is traced once, which writes nothing and takes longest."""
    import torch
    from small_network import small_checkpoint

    from edgessd_export.graph.contracts import card_for
    from edgessd_export.graph.float_graph import Layout, float_graph
    from edgessd_export.write import write

    torch.set_num_threads(1)
    small = small_checkpoint()
    layout = Layout("raw", None, None)
    graph, card = float_graph(small, layout), card_for(small.card, layout.contract, layout.kept)
    for number in count():
        write(small, graph, card, folder / "m.onnx")
        yield number


def engine_cache(folder: Path) -> Iterator[object]:
    """Build an engine into the cache, again and again, with TensorRT-RTX, which needs no GPU for it."""
    from edgessd_export.engine.cache import ensure_engine
    from edgessd_export.engine.options import BuildOptions
    from edgessd_export.engine.progress import build_progress

    os.environ["XDG_CACHE_HOME"] = str(folder)
    with build_progress() as phases:
        for number in count():
            ensure_engine(TINY, BuildOptions(), phases, module="tensorrt_rtx", rebuild=True)
            yield number


def events(folder: Path) -> Iterator[object]:
    """Keep events of tracks with their pictures."""
    import numpy as np

    from edgessd.sinks.event_store import EventStore
    from edgessd.streams.event import Event
    from edgessd.tracking.events import TrackEvent

    store, picture = EventStore(folder / "e.db", keep_bytes=2_000_000), np.zeros((200, 300, 3), np.uint8)
    for number in count():
        for kind in ("start", "end"):
            box = (1.0, 2.0, 3.0, 4.0)
            told = TrackEvent(kind, number, "red", float(number), 0.0, 0.0, box, 0.9, 7, (), ("yard",), ())
            store.add(Event(f"{time.time_ns()}-{number}", "door", told, 0.0, picture))
        yield number


def deployment(folder: Path) -> Iterator[object]:
    """Deploy a small network again and again; the older folder goes first, as the error says."""
    import shutil

    import torch
    from small_network import small_checkpoint

    from edgessd_export.deploy.deploy import Source, deploy
    from edgessd_export.deploy.targets import target_for

    torch.set_num_threads(1)
    source = Source(small_checkpoint(), folder / "net.pt", None, None, None)
    target, precisions = target_for("cpu", "fp32")
    for number in count():
        out = folder / f"cpu{number % 2}"
        # Away by a rename: what is half removed is no deployment.
        if out.exists():
            shutil.rmtree(out.rename(folder / ".removed"))
        shutil.rmtree(folder / ".removed", ignore_errors=True)
        deploy(source, out, target, precisions, 0.0, lambda _: None, build=False)
        yield number


def first_labels(folder: Path) -> Iterator[object]:
    """Label two photographs in each form; what is labelled goes first, so that there is work."""
    import shutil

    from edgessd.commands.cli import run

    photos = ROOT / "runtime" / "edgessd" / "photos"
    for number in count():
        form = ("voc", "yolo", "coco", "label-studio")[number % 4]
        shutil.rmtree(folder / form, ignore_errors=True)
        assert run(["label", str(photos), "--out", str(folder / form), "--format", form, "-m", str(TINY)]) == 0
        yield number


def archive(folder: Path) -> Iterator[object]:
    """Detect in the same photographs again and again; the results go first."""
    import shutil

    from edgessd.archive.job import Settings
    from edgessd.archive.manifest import Manifest
    from edgessd.archive.places import items_in
    from edgessd.archive.worker import Worker

    items, others = items_in([str(ROOT / "runtime" / "edgessd" / "photos")])
    workers = {form: Worker(Settings(str(folder / form), str(TINY), format=form)) for form in ("jsonl", "parquet")}
    for number in count():
        for form, worker in workers.items():
            shutil.rmtree(folder / form / "results", ignore_errors=True)
            settings = Settings(str(folder / form), str(TINY), format=form)
            with Manifest(settings) as manifest:
                for item in items:
                    manifest.add(worker.do(item))
                manifest.summary(items, others, 0.0)
        yield number


def is_whole(path: Path) -> bool:
    """Return whether a file under its final name can be used."""
    if path.suffix in (".mkv", ".mp4"):
        from edgessd.sources.packets import count_frames

        return count_frames(path) > 0
    if path.suffix == ".jpg":
        import cv2

        return cv2.imread(str(path)) is not None
    if path.suffix == ".pt":
        from edgessd_training.checkpoint import load_checkpoint, load_weights_file

        if path.name != "state.pt":
            return bool(load_checkpoint(path).card.labels)
        content = load_weights_file(path)
        return bool((content["network"] == content["number"]).all())
    if path.suffix == ".onnx":
        import numpy as np

        from edgessd import Detector

        with Detector(path) as detector:
            return detector.detect(np.zeros((48, 64, 3), np.uint8)) is not None
    if path.suffix == ".engine":
        from edgessd.backends.engine.file import open_engine

        return open_engine(path) is not None
    if path.suffix in (".db-wal", ".db-shm"):
        return True  # SQLite's own, looked at with their database
    if path.suffix == ".db":
        from contextlib import closing

        from edgessd.sinks.event_store import EventStore

        with closing(EventStore(path)) as store:
            rows = store.query(limit=1000)
            whole = [store.picture(row["id"]) for row in rows if row["picture"]]
        return bool(rows) and all(content is not None and content.endswith(b"\xff\xd9") for content in whole)
    if path.suffix == ".parquet":
        from edgessd.archive.rows import counts_in

        return counts_in("parquet", path)[0] > 0
    if path.suffix == ".xml":
        from defusedxml.ElementTree import parse

        return parse(path).getroot().tag == "annotation"
    if path.name == "streams.toml":  # of a deployment: beside it all others are there
        return all((path.parent / name).stat().st_size for name in ("README.md", "card.json", "model.onnx"))
    if path.name == "manifest.jsonl":  # its last line may be half, and is then read as none
        return all(json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    if path.suffix in (".jsonl", ".json") or path.suffix[1:].isdecimal():
        return all(json.loads(line) for line in ([path.read_text()] if path.suffix == ".json" else path.open()))
    return path.stat().st_size > 0 or path.name.endswith("lock")


def kill_once(writer: Writer, folder: Path, chance: float) -> None:
    """Let a process write and kill it after its first round: in the second, or up to a second later, by chance."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(told)
        try:
            for _ in writer(folder):
                os.write(tell, b".")
        except BaseException:  # noqa: BLE001 - it ends here, and says why
            traceback.print_exc()
        os._exit(1)
    os.close(tell)
    begun = time.monotonic()
    assert os.read(told, 1), "the writer failed before it had begun"
    time.sleep(chance * max(1.0, time.monotonic() - begun))
    ended, status = os.waitpid(child, os.WNOHANG)
    assert not ended, f"the writer ended by itself ({status})"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(told)


def look(folder: Path) -> tuple[dict[str, int], int]:
    """Return what under a final name is not whole, by suffix, and how many unfinished files there are.

    A child looks: its threads of OpenCV and of the engines must not be in the process that forks the next writer.
    """
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, json.dumps(_seen(folder)).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told) as answer:
        broken, unfinished = json.load(answer)
    os.waitpid(child, 0)
    return broken, unfinished


def _seen(folder: Path) -> tuple[dict[str, int], int]:
    broken: Counter[str] = Counter()
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        if path.name.startswith("."):
            continue
        try:
            whole = is_whole(path)
        except Exception as error:  # noqa: BLE001 - whatever a half-written file makes its reader raise
            print(f"{path.name}: {type(error).__name__}: {error}", file=sys.stderr)
            whole = False
        broken[path.suffix] += not whole
    return broken, sum(path.name.startswith(".") for path in paths)


# What is imported before the forks, each of which would take its time.
WRITERS: dict[str, tuple[Writer, str]] = {
    "segments, snapshots, JSON lines, video": (frames, "edgessd.sinks.video"),
    "training state and checkpoints": (training_state, "edgessd_training.checkpoint"),
    "export": (export, "edgessd_export.write"),
    "engine cache": (engine_cache, "edgessd_export.engine.cache"),
    "events and their pictures": (events, "edgessd.sinks.event_store"),
    "first labels": (first_labels, "edgessd_training.prelabel.label"),
    "archive": (archive, "edgessd.archive.worker"),
    "deployment": (deployment, "edgessd_export.deploy.deploy"),
}


def main() -> None:
    """Kill, look, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=10)
    parser.add_argument("--only", help="part of a writer's name")
    options = parser.parse_args()
    failed = False
    for name, (writer, module) in WRITERS.items():
        if options.only and options.only not in name:
            continue
        import_module(module)
        chance, broken, most = random.Random(0), Counter[str](), 0
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for _ in range(options.kills):
                kill_once(writer, folder, chance.random())
                found, unfinished = look(folder)
                broken.update(found)
                most = max(most, unfinished)
            whole = sum(path.is_file() and not path.name.startswith(".") for path in folder.rglob("*"))
        wrong = {suffix: number for suffix, number in broken.items() if number}
        failed |= bool(wrong) or most > MOST_UNFINISHED
        print(
            f"{name}: {options.kills} kills, {whole} files at the end, broken {wrong or 'none'}, "
            f"unfinished at most {most} at once",
            flush=True,
        )
    sys.exit(failed)


if __name__ == "__main__":
    main()
