"""The product's budgets (docs: the table of the same name), each with its measured figure."""

import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from comparison.entry import OURS, PEER
from comparison.scene import scene_scores
from edgessd.bench.measure import Synthetic, measure
from edgessd.detector import Detector
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.card import card_of
from edgessd.model.postprocess import REALTIME, RawDecoder
from edgessd.model.priors import generate
from edgessd.sources import Repeated, open_source
from edgessd.streams.capacity import default_workers

CAMERA_FPS = 60.0
START = """
import numpy, edgessd
with edgessd.Detector({model!r}, backend={backend!r}) as detector:
    detector.detect(numpy.zeros((720, 1280, 3), numpy.uint8))
"""


@dataclass(frozen=True)
class Budget:
    """One budget. met: None where the run did not measure it."""

    what: str
    budget: str
    measured: str
    met: bool | None


def budgets(run: dict[str, Any], model: Path, video: Path, *, soak: int) -> list[dict[str, Any]]:
    """Return every budget as JSON values. model: the first entry's. soak: frames for the memory's growth."""
    first = next(entry for entry in run["entries"] if entry["name"] == run["first"])
    backend = run["first"].split(", ")[1]
    found = [
        *pipeline_budgets(run),
        peers_budget(run),
        overhead_budget(first),
        post_budget(model),
        *camera_budgets(model, backend, video),
        memory_budget(model, backend, soak),
        start_budget(model, backend),
        vgg_budget(run),
    ]
    return [asdict(budget) for budget in found]


def pipeline_budgets(run: dict[str, Any]) -> list[Budget]:
    """Return rate and share of the limit of every int8 entry of the first model."""
    model = run["first"].split(", ")[0]
    found = []
    for entry in run["entries"]:
        played = entry.get("end_to_end")
        if entry["group"] != OURS or not entry["name"].startswith(f"{model}, ") or not played:
            continue
        name = entry["name"].removeprefix("edgessd ")
        elsewhere = played["busy_elsewhere"]
        busy = f"; {elsewhere:.2f} cores were busy elsewhere" if elsewhere > 0.05 else ""
        found += [
            Budget(
                f"{name}: {video_words(run)} to detections, end to end",
                ">= 59 FPS",
                f"{played['fps']:.1f} FPS (best round {played['best_fps']:.1f}){busy}",
                played["fps"] >= 59,
            ),
            Budget(
                f"{name}: share of cores / (CPU-seconds per frame)",
                ">= 90 %",
                f"{played['limit_share']:.0%} of {played['limit_fps']:.1f} FPS"
                + (f"; {played['free_share']:.0%} of the cores left free" if busy and played["free_share"] else busy),
                played["limit_share"] >= 0.9,
            ),
        ]
    return found


def video_words(run: dict[str, Any]) -> str:
    """Return what the video is, for a line of the table."""
    return f"{run['video']} file"


def peers_budget(run: dict[str, Any]) -> Budget:
    """Return our rate against the fastest peer's, file to detections on the same frames."""
    what, budget = "the same against the fastest of the peers", ">= 1.5x"
    rivals = [
        (entry["end_to_end"]["first_is_faster"], entry["name"])
        for entry in run["entries"]
        if entry["group"] == PEER and (entry.get("end_to_end") or {}).get("first_is_faster")
    ]
    if not rivals:
        return Budget(what, budget, "no peer was measured", None)
    closest, name = min(rivals, key=lambda pair: pair[0]["median"])
    text = f"{closest['median']:.2f}x ({closest['low']:.2f}-{closest['high']:.2f}) {name}"
    return Budget(what, budget, text, closest["median"] >= 1.5)


def overhead_budget(first: dict[str, Any]) -> Budget:
    """Return what a frame costs beside decoding and inference, from the pipeline's own clocks."""
    what, budget = "resize, threshold, decode, NMS and hand-overs (first entry, video)", "<= 1 ms"
    stages = (first.get("end_to_end") or {}).get("stages") or {}
    if "overhead" not in stages:
        return Budget(what, budget, "the video was left out", None)
    parts = ", ".join(
        f"{name.replace('_', '-')} {stages[name]['p50']:.2f}" for name in ("resize", "postprocess", "hand_over")
    )
    value = stages["overhead"]["p50"]
    return Budget(what, budget, f"p50 {value:.2f} ms ({parts})", value <= 1)


def post_budget(model: Path) -> Budget:
    """Return the time of decode and NMS on a scene of eight objects, 64 candidates, for the model's own priors."""
    card = card_of(model)
    priors_cxcywh = generate(card.priors)
    scores = scene_scores(cxcywh_to_xyxy(priors_cxcywh), len(card.labels))
    offsets = np.zeros((len(priors_cxcywh), 4), np.float32)
    decode = RawDecoder(card, priors_cxcywh, REALTIME)
    times = []
    for _ in range(500):
        start = perf_counter()
        decode(offsets, scores, 720, 1280)
        times.append((perf_counter() - start) * 1e3)
    value = float(np.median(times))
    return Budget(
        f"threshold, decode, NMS at 8 objects, {len(priors_cxcywh)} priors x {len(card.labels)} classes",
        "<= 0.15 ms",
        f"p50 {value:.3f} ms, fastest {min(times):.3f}",
        value <= 0.15,
    )


def camera_budgets(model: Path, backend: str, video: Path) -> list[Budget]:
    """Return losses and age of a file played as a camera of 60 FPS, newest frame first."""
    source = Repeated(open_source(str(video)), CAMERA_FPS)
    workers = default_workers(live=source.live)
    with Detector(model, backend=backend, workers=workers) as detector:
        found = measure(source, detector, frames=600, workers=workers)
    lost = found.dropped / (found.frames + found.dropped)
    age = float(np.percentile(found.ages, 99)) * 1e3
    name = "camera of 60 FPS, newest frame: "
    return [
        Budget(f"{name}frames lost", "< 1 %", f"{lost:.1%} of {found.frames + found.dropped}", lost < 0.01),
        Budget(f"{name}capture to result, p99", "<= 25 ms", f"{age:.1f} ms", age <= 25),
    ]


def memory_budget(model: Path, backend: str, soak: int) -> Budget:
    """Return the growth of resident memory after the first thousand frames."""
    source = Repeated(Synthetic())
    workers = default_workers(live=source.live)
    with Detector(model, backend=backend, workers=workers) as detector:
        found = measure(source, detector, frames=soak, workers=workers)
    growth = found.rss_growth_mb
    what, budget = "memory after the first 1,000 frames", "< 1 MB in 100,000 frames"
    if growth is None:
        return Budget(what, budget, f"not measured: {soak} frames are too few", None)
    met = growth < 1 if soak >= 100_000 or growth >= 1 else None
    return Budget(what, budget, f"{growth:+.2f} MB in {soak - 1000} frames", met)


def start_budget(model: Path, backend: str) -> Budget:
    """Return the CPU time of a process that imports, loads and detects once; the least of three."""
    command = [sys.executable, "-c", START.format(model=str(model), backend=backend)]
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    value = min(spent)
    return Budget(f"start: import, load, first detection ({backend})", "<= 1.5 s CPU", f"{value:.2f} s", value <= 1.5)


def vgg_budget(run: dict[str, Any]) -> Budget:
    """Return SSD300-VGG16 in int8, inference of ours against OpenVINO alone on the same graph."""
    what, budget = "SSD300-VGG16 int8, our inference against OpenVINO alone", "within 15 %"
    named = {entry["name"]: entry for entry in run["entries"] if "fps" in entry and "vgg16" in entry["name"]}
    ours = next((entry for name, entry in named.items() if name.endswith("int8, openvino")), None)
    alone = next((entry for name, entry in named.items() if name.startswith("OpenVINO alone")), None)
    if not ours or not alone:
        return Budget(what, budget, "not in this run", None)
    a, b = ours["stages_ms"]["inference"], alone["stages_ms"]["inference"]
    return Budget(what, budget, f"{a:.1f} against {b:.1f} ms ({a / b - 1:+.0%})", a / b <= 1.15)
