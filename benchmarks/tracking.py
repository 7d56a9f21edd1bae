"""What tracks and events cost: CPU time of a frame by its boxes, and of a page out of many events.

python benchmarks/tracking.py                       # the tracker, with trails and events, and with zones and lines
python benchmarks/tracking.py --events 1000000      # fills a database, then asks for pages of it
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from edgessd.model.detections import Detections
from edgessd.sinks.event_store import EventStore
from edgessd.streams.event import Event
from edgessd.tracking import Line, Tracking, Zone
from edgessd.tracking.events import TrackEvent
from edgessd.tracking.tracker import Tracker
from edgessd.tracking.watch import Watch

HEIGHT, WIDTH = 720, 1280
FRAMES, WARM_UP = 220, 20
ZONES = tuple(
    Zone(f"zone{index}", ((x, 0.1), (x + 0.3, 0.1), (x + 0.3, 0.9), (x, 0.9))) for index, x in enumerate((0, 0.1, 0.2))
)
LINES = (Line("down", (0.5, 0.0), (0.5, 1.0)), Line("across", (0.0, 0.5), (1.0, 0.5)))


def scene(boxes: int, seconds_a_frame: float) -> list[Detections]:
    """Return frames of boxes that move slowly, each its own way, and tremble by a pixel."""
    chance = np.random.default_rng(0)
    start, velocity = chance.uniform(0, 1, (boxes, 2)) * [WIDTH - 100, HEIGHT - 120], chance.normal(0, 40, (boxes, 2))
    frames = []
    for index in range(FRAMES):
        left_top = start + velocity * index * seconds_a_frame + chance.normal(0, 1, (boxes, 2))
        left_top = np.clip(left_top, 0, [WIDTH - 80, HEIGHT - 100])
        boxes_xyxy = np.concatenate([left_top, left_top + np.array([60, 100])], axis=1).astype(np.float32)
        frames.append(Detections(boxes_xyxy, np.full(boxes, 0.8, np.float32), np.zeros(boxes, np.int64)))
    return frames


def tracker_table() -> None:
    """Print the median and 90th percentile of thread time, in ms."""
    print(
        "| boxes | frames apart | tracker | with trails and events | with 3 zones and 2 lines |\n|---|---|---|---|---|"
    )
    for boxes in (10, 50, 100):
        for apart in (0.04, 0.16):
            print(f"| {boxes} | {apart:g} s | {' | '.join(costs(scene(boxes, apart), apart))} |")


def costs(frames: list[Detections], apart: float) -> list[str]:
    """Return what the tracker alone, a stream's watch, and one with zones and lines take."""
    tracker = Tracker()
    plain, full = Watch(Tracking(), ("person",)), Watch(Tracking(ZONES, LINES), ("person",))

    def track(index: int) -> None:
        tracker.update(frames[index], index * apart)

    def watch(watching: Watch, index: int) -> None:
        watching.update(frames[index], index * apart, index, height=HEIGHT, width=WIDTH)

    return [timed(step, len(frames)) for step in (track, partial(watch, plain), partial(watch, full))]


def timed(step: Callable[[int], object], count: int) -> str:
    """Return the median and 90th percentile of calls in ms of this thread's CPU time."""
    seconds = []
    for index in range(count):
        began = time.thread_time()
        step(index)
        seconds.append(time.thread_time() - began)
    median, high = np.percentile(seconds[WARM_UP:], [50, 90]) * 1e3
    return f"{median:.2f}, p90 {high:.2f}"


def event_table(count: int, path: Path) -> None:
    """Fill a database by the product's own ``add``, and print how long pages of it take (wall time, ms)."""
    chance, now = random.Random(0), time.time()
    store = EventStore(path, keep_seconds=1e9, keep_bytes=1e12)

    def event(number: int) -> Event:
        started = now - 2 * (count - number)
        label = "cat" if number % 100_000 == 0 else chance.choices(("person", "car", "dog"), (6, 3, 1))[0]
        entered = tuple(zone for zone in ("yard", "gate", "door") if chance.random() < 0.3)
        box = (10.0, 20.0, 300.0, 400.0)
        told = TrackEvent("end", number, label, started, started + 8, started + 9, box, 0.9, 0, (), entered, ())
        return Event(f"e{number}", f"camera{chance.randrange(4)}", told, 0.0)

    began = time.perf_counter()
    for number in range(count):
        store.add(event(number))
    print(f"{count} events in {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.0f} MB\n")
    print("| page of 50 | median, ms | slowest of 100, ms |\n|---|---|---|")
    middle = now - count
    for asked in (
        {},
        {"label": "cat"},
        {"stream": "camera1", "label": "dog", "zone": "door"},
        {"zone": "yard", "since": middle, "before": middle + 5000},
        {"stream": "camera1", "before": middle},
        {"zone": "nowhere"},
    ):
        seconds = []
        for _ in range(100):
            began = time.perf_counter()
            store.query(**asked)
            seconds.append(time.perf_counter() - began)
        words = ", ".join(f"{key} {'' if isinstance(value, float) else value}".strip() for key, value in asked.items())
        print(f"| {words or 'all'} | {np.median(seconds) * 1e3:.2f} | {max(seconds) * 1e3:.1f} |")
    store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, help="how many to fill a database with")
    wanted = parser.parse_args().events
    if wanted is None:
        tracker_table()
    else:
        with tempfile.TemporaryDirectory() as folder:
            event_table(wanted, Path(folder) / "events.db")
