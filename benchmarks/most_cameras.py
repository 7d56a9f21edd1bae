"""How many cameras of 15 FPS hold their rate on this machine, by setting, and what each setting keeps of the boxes.

`python benchmarks/most_cameras.py VIDEO --old TREE --json FILE --picture FILE` plays a video as more and more cameras
through `streams.py`, each count in a process of its own. A count holds when the slowest camera has 98% of its rate and
the p99 age is under 200 ms. The video is decoded in that process, as a camera's stream would be; no other program takes
the cores. `--settings` measures some and keeps the others of the JSON file. TREE: the source of an older version.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import cache, partial
from pathlib import Path

from edgessd import Detector, PostProcess
from edgessd.model.postprocess import FAINT
from edgessd.util.cores import usable_cores
from skipping import compare, run

HERE = Path(__file__).parent
FPS = 15
HELD = 0.98  # of the rate
MOST_AGE_MS = 200
MOST_CAMERAS = 100
INT8 = ["--model", "picodet_s_voc_336_int8", "--backend", "openvino"]
AUTO = ["--interval", "auto", "--warm-up", "15"]  # it is changed every two seconds at most
SETTINGS = {
    "old": [],
    "plain": [],
    "interval 2": ["--interval", "2"],
    "interval 3": ["--interval", "3"],
    "interval auto": AUTO,
    "motion": ["--motion"],
    "motion, interval 3": ["--motion", "--interval", "3"],
    "int8": INT8,
    "int8, interval 3": [*INT8, "--interval", "3"],
    "int8, motion, interval 3": [*INT8, "--motion", "--interval", "3"],
}


def trial(video: Path, tree: Path, options: list[str], seconds: float, cameras: int) -> dict:
    """Return the figures of so many cameras, and whether they held."""
    command = [sys.executable, str(tree / "benchmarks/streams.py"), str(video), "--fps", str(FPS)]
    command += ["--streams", str(cameras), "--seconds", str(seconds), *options]
    paths = os.pathsep.join(str(tree / part) for part in ("runtime", "training", "export"))
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    figures = json.loads(done.stdout)
    rates = [row["fps"] for row in figures["streams"].values()]
    age = figures["age_ms_of_all"]["p99"]
    return {
        "cameras": cameras,
        "held": min(rates) >= HELD * FPS and age < MOST_AGE_MS,  # without a result the rate is 0
        "slowest_fps": min(rates),
        "p99_age_ms": age,
        "cpu_ms_per_frame": round(figures["cores_busy"] / sum(rates) * 1e3, 2),
        "skipped": figures.get("skipped"),
        "model": figures["model"],
        "backend": figures["backend"],
        "load_average": figures["load_average"],
    }


def most(try_count: Callable[[int], dict]) -> list[dict]:
    """Return the trials, the last of them the most cameras that held. try_count: makes one of so many cameras.

    The first trial tells the CPU time of a frame, which tells where to look. A count that fails is tried again: on a
    shared machine one stall of another program fails it.
    """
    tried: list[dict] = []

    def holds(cameras: int) -> bool:
        for _ in range(2):
            tried.append(try_count(cameras))
            print(json.dumps(tried[-1]), file=sys.stderr)
            if tried[-1]["held"]:
                return True
            if tried[-1]["slowest_fps"] < 0.9 * FPS:
                break
        return False

    good, bad, count = 0, MOST_CAMERAS, 3
    while bad - good > 1:
        held = holds(count)
        good, bad = (count, bad) if held else (good, count)
        room = usable_cores() * 1e3 / FPS / min(each["cpu_ms_per_frame"] for each in tried)
        likely = round(0.95 * room)
        if bad == MOST_CAMERAS:
            count = min(likely if likely > good else good + max(1, good // 8), bad - 1)
        else:
            near = not held and tried[-1]["slowest_fps"] > 0.9 * FPS
            count = max(good + 1, bad - 1 if near else (good + bad) // 2)
    return [*tried, *[each for each in tried if each["held"] and each["cameras"] == good][-1:]]


POST = PostProcess(faint=FAINT, labels=("person",))


@cache
def reference(video: Path) -> list:
    """Return what the default model finds in every frame of a video."""
    with Detector("default", workers=2, settings=POST) as detector:
        return run(detector, video)[0]


def recall(video: Path, options: list[str]) -> dict:
    """Return what a setting keeps of the persons' boxes of ``reference``."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--interval", default="1")
    wanted.add_argument("--motion", action="store_true")
    wanted.add_argument("--model", default="default")
    wanted.add_argument("--backend", default="auto")
    setting = wanted.parse_known_args(options)[0]
    with Detector(setting.model, backend=setting.backend, workers=2, settings=POST) as detector:
        found, _ = run(detector, video, interval=setting.interval, motion=setting.motion)
    return compare(reference(video), found)


def draw(results: dict, path: Path) -> None:
    """Write the picture: a bar a setting, with its count and the share of boxes kept."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = [name for name in SETTINGS if name in results["settings"]]
    counts = [results["settings"][name]["cameras"] for name in names]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(names) + 1.2))
    axes.barh(names, counts, color=["#999999" if name == "old" else "#3366aa" for name in names])
    for row, (name, count) in enumerate(zip(names, counts, strict=True)):
        kept = results["settings"][name].get("kept")
        axes.text(count + 0.2, row, f"{count}" + (f"   {kept:.0%} of boxes" if kept is not None else ""), va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(counts))
    axes.set_xlabel(f"cameras of 1280x720 at {FPS} FPS that hold their rate, {results['cores']} cores")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def table(results: dict) -> str:
    """Return the results as a table in Markdown."""
    lines = ["| setting | cameras | slowest, FPS | p99 age, ms | CPU ms a frame | frames skipped | boxes kept |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for name in SETTINGS:
        if (row := results["settings"].get(name)) is not None:
            best, kept, skipped = row["best"], row.get("kept"), row["best"].get("skipped")
            cells = [
                name,
                row["cameras"],
                best.get("slowest_fps", ""),
                best.get("p99_age_ms", ""),
                best.get("cpu_ms_per_frame", ""),
                "" if skipped is None else f"{skipped:.0%}",
                "" if kept is None else f"{kept:.1%}",
            ]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write JSON and picture, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--old", type=Path, help="The tree of an older version, with a streams.py of its own.")
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seconds", type=float, default=10, help="Of one trial (default: %(default)s).")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    results = json.loads(options.json.read_text()) if options.json.exists() else {"settings": {}}
    results |= {"date": str(date.today()), "cores": usable_cores(), "video": options.video.name}
    for name in options.settings:
        if name == "old" and options.old is None:
            continue
        tree = options.old if name == "old" else HERE.parent
        tried = most(partial(trial, options.video, tree.resolve(), SETTINGS[name], options.seconds))
        best = tried[-1] if tried[-1]["held"] else {}
        results["settings"][name] = {"cameras": best.get("cameras", 0), "best": best, "tried": tried}
        if name not in ("old", "plain", "interval auto"):
            results["settings"][name] |= recall(options.video, SETTINGS[name])
        options.json.write_text(json.dumps(results, indent=1))
    if options.picture:
        draw(results, options.picture)
    print(table(results))


if __name__ == "__main__":
    main()
