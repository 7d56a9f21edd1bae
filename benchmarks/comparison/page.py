"""docs/measurements/benchmarks.md, written from a run: nobody copies a figure by hand."""

from pathlib import Path
from typing import Any

from comparison.entry import OURS, PEER, SAME_NETWORK
from comparison.plots import plot_accuracy, plot_stages
from comparison.table import percent, ratio_words, verdict
from edgessd.util.files import write_text

HEADINGS = {OURS: "ours", SAME_NETWORK: "other software on our network", PEER: "peers"}
HEAD = """# Speed

Written by `benchmarks/fps.py` on {date}, commit {commit}. Do not edit: run it again.

| machine | |
|---|---|
| processor | {cpu}, {cores} cores, {clock} |
| GPU | {gpu} |
| system | {system}, Python {python} |
| versions | {versions} |
| load average while measuring | {load} |
| video | {video} |
| rounds | {rounds} of {seconds} s an entry |

Every entry gets the same decoded frames, in a process of its own, on all cores by its own defaults. Entries take
turns in rounds, so a busy spell meets all alike: **the ratios count, the milliseconds are those of this machine at
that moment.** A ratio says how many times as fast the first entry, *{first}*, is:
the median of the rounds, in brackets the lowest and the highest. The ratio of the processor times stands beside it:
other processes hardly touch that one, but engines that wait in a loop count their waiting. Where the
weights are random (the notes below say where), post-processing was fed a fixed scene of eight objects with 64
candidates above the threshold 0.3, which is everybody's threshold.

![CPU time of a frame against accuracy](images/{name}_map.png)

Every model in the engine and precision that costs it the least. Filled points: time and mAP measured here, on 500
validation images of VOC2007 trainval that trained nothing of ours. Hollow: the mAP is published, by the sources below.
Triangles: random weights, whose mAP nobody knows. The line joins what no other point undercuts.

![Stages of a frame](images/{name}_stages.png)
"""
COLUMNS = ("ms", "p90", "p99", "FPS", "resize", "inference", "NMS", "CPU ms", "MB", "W", "GMAC", "of the limit")
RATIOS = ("first is faster by", "first needs less CPU by")
VIDEO = """
## Video file to detections

Ours is the product's pipeline; Ultralytics' its own `predict(stream=True)`; of the others the frames are read and
given to them one by one. *Limit*: cores / (CPU-seconds of a frame), what this software could reach if no core ever
waited. *Of the free cores*: the same of those that other processes left free;
{elsewhere} of {cores} were busy elsewhere.

| | FPS | CPU ms a frame | limit FPS | of the limit | of the free cores | first is faster by | first needs less CPU by |
|---|--:|--:|--:|--:|--:|--:|--:|"""
AFTER = """
## How to run it

```sh
pip install '.[bench]'
python benchmarks/fps.py --docs docs/measurements/benchmarks.md --json benchmarks/history.json --video CLIP.mp4
python benchmarks/fps.py --quick --check                # our own ratios against the stored ones: exit 1 if worse
python benchmarks/fps.py --peers yolo26n,ssdlite320     # some peers only; without --video a clip is made
```

Plain pip brings CUDA builds of PyTorch and torchvision on Linux, which fit each other; with a GPU everything that can
then runs there, our SSD300-VGG16 in fp32 and fp16 at batch 1 and 8 beside torch eager and torch.compile, and with
TensorRT installed our engines too. Beside a CPU-only PyTorch the same torchvision wheel fails to import ("operator
torchvision::nms does not exist"), and its models are listed as failed; torchvision's CPU build from PyTorch's own
index fits it. Nothing was measured on a GPU where the table above names none.
"""


def write_page(run: dict[str, Any], path: Path) -> None:
    """Write the page and its two pictures, images/bench_map.png and bench_stages.png beside it."""
    images = path.parent / "images"
    images.mkdir(exist_ok=True)
    plot_accuracy(run, images / "bench_map.png")
    plot_stages(run, images / "bench_stages.png")
    write_text(path, page(run))


def page(run: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    machine = run["machine"]
    parts = [
        HEAD.format(
            **{key: machine[key] for key in ("cpu", "cores", "system", "python")},
            date=run["date"],
            commit=run["commit"],
            clock=f"{machine['clock_mhz']:.0f} MHz" if machine["clock_mhz"] else "clock unknown",
            gpu=machine["gpu"] or "none",
            versions=", ".join(f"{name} {number}" for name, number in machine["versions"].items()),
            load=" / ".join(str(value) for value in machine["load"] or []) or "unknown",
            video=run["video"],
            rounds=run["plan"]["rounds"],
            seconds=run["plan"]["seconds"],
            first=run["first"],
            name="bench",
        ),
        _detect_table(run),
        _limit_words(run),
        _video_table(run),
        _budget_table(run),
        _sources(run),
        AFTER,
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


def _detect_table(run: dict[str, Any]) -> str:
    power = any(entry.get("watts") for entry in run["entries"])
    heads = [name for name in (*COLUMNS, *RATIOS) if power or name != "W"]
    columns = len(heads)
    lines = ["## Decoded frame to detections", "", f"| | {' | '.join(heads)} |", "|---|" + "--:|" * columns]
    for group, heading in HEADINGS.items():
        members = [entry for entry in run["entries"] if entry["group"] == group]
        if members:
            lines.append(f"| **{heading}** |" + " |" * columns)
        for entry in members:
            if "fps" not in entry:
                lines.append(f"| {entry['name']} | failed |" + " |" * (columns - 1))
                continue
            ms, stages = entry["ms"], entry["stages_ms"]
            cells = [
                entry["name"],
                *(f"{ms[name]:.2f}" for name in ("median", "p90", "p99")),
                f"{entry['fps']:.1f}",
                *(f"{stages[stage]:.2f}" for stage in ("resize", "inference", "postprocess")),
                f"{entry['cpu_ms']:.1f}",
                f"{entry['rss_mb']:.0f}",
                *([str(entry["watts"] or "-")] if power else []),
                f"{entry['gmac']:.2f}" if entry["gmac"] else "-",
                percent(entry["limit_share"]),
                ratio_words(entry["first_is_faster"]),
                ratio_words(entry["first_needs_less_cpu"]),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _limit_words(run: dict[str, Any]) -> str:
    rates = ", ".join(f"{rate:.0f} GMAC/s in {precision}" for precision, rate in run["rates_gmac"].items())
    return (
        "*Of the limit*: multiply-accumulates of a frame over the fastest call's time, against the best kernel "
        f"measured in the same rounds ({rates or 'none'}; a dense 3x3 convolution). Depthwise convolutions cannot come "
        "near it; a share above 100 % says that an engine's own kernel is better than that one, or leaves products out."
    )


def _video_table(run: dict[str, Any]) -> str:
    played = [entry for entry in run["entries"] if entry.get("end_to_end")]
    if not played:
        return ""
    elsewhere = [entry["end_to_end"]["busy_elsewhere"] for entry in played]
    words = f"{min(elsewhere):.1f} to {max(elsewhere):.1f}"
    lines = [VIDEO.format(elsewhere=words, cores=run["machine"]["cores"]).strip("\n")]
    for entry in played:
        found = entry["end_to_end"]
        cells = [
            entry["name"],
            f"{found['fps']:.1f}",
            f"{found['cpu_ms']:.1f}",
            f"{found['limit_fps']:.1f}",
            percent(found["limit_share"]),
            percent(found["free_share"]),
            ratio_words(found["first_is_faster"]),
            ratio_words(found["first_needs_less_cpu"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _budget_table(run: dict[str, Any]) -> str:
    if not run.get("budgets"):
        return ""
    lines = ["## Budgets", "", "| what | budget | measured | met |", "|---|---|---|---|"]
    for budget in run["budgets"]:
        lines.append(f"| {budget['what']} | {budget['budget']} | {budget['measured']} | {verdict(budget['met'])} |")
    return "\n".join(lines)


def _sources(run: dict[str, Any]) -> str:
    lines = ["## Weights and sources", ""]
    for entry in run["entries"]:
        accuracy = entry["accuracy"]
        words = [entry["note"]] if entry["note"] else []
        if accuracy:
            unit = "mAP" if accuracy["metric"] == "voc07" else "AP"
            words.append(f"{unit} {accuracy['percent']:.1f}: {accuracy['source']}")
        if entry["failure"]:
            words.append(f"failed: {entry['failure']}")
        if words:
            lines.append(f"- {entry['name']}: {'; '.join(words)}")
    lines += [f"- absent: {entry['name']}, needs {', '.join(entry['missing'])}" for entry in run["absent"]]
    return "\n".join(lines)
