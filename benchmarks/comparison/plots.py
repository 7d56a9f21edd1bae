"""The two pictures of a run: speed against accuracy, and where the time of a frame goes. At README size."""

from pathlib import Path
from typing import Any

from comparison.entry import OURS
from edgessd.util.extras import need
from edgessd.util.files import replacing

METRICS = {"voc07": "VOC2007 mAP, IoU 0.5 (%)", "coco": "COCO AP, IoU 0.5 to 0.95 (%)"}
# The paper's own figures (table 7): a Titan X (Maxwell) with cuDNN v4, another machine than this one.
PAPER = (("SSD300, batch 1", 46.0, 74.3), ("SSD300, batch 8", 59.0, 74.3))
PAPER_GPU = "Titan X (2015)"
OUR_COLOUR, PEER_COLOUR, PAPER_COLOUR = "#0b6e4f", "#b5533c", "#777777"
STAGES = (("resize", "resize", "#9ecae1"), ("inference", "inference", "#3182bd"), ("postprocess", "NMS", "#e6550d"))
BARS = 14
AXIS = 15  # the longest bar shown whole, in times of the shortest


def plot_accuracy(run: dict[str, Any], path: Path) -> None:
    """Write FPS against accuracy: filled where we measured both, hollow where the accuracy is published."""
    pyplot = _pyplot()
    metrics = [metric for metric in METRICS if points(run, metric) or metric == "voc07"]
    figure, all_axes = pyplot.subplots(1, len(metrics), figsize=(5.2 * len(metrics), 4.4), squeeze=False)
    for axes, metric in zip(all_axes[0], metrics, strict=True):
        labels = []
        for entry in points(run, metric):
            accuracy = entry["accuracy"]
            colour = OUR_COLOUR if entry["group"] == OURS else PEER_COLOUR
            face = colour if accuracy["measured"] else "none"
            axes.scatter(entry["fps"], accuracy["percent"], s=46, facecolors=face, edgecolors=colour, zorder=3)
            labels.append((entry["fps"], accuracy["percent"], short_name(entry["name"]), colour))
        if metric == "voc07":
            for name, fps, percent in PAPER:
                axes.axvline(fps, color=PAPER_COLOUR, linewidth=0.8, linestyle=":")
                labels.append((fps, percent, f"{name}, {PAPER_GPU}", PAPER_COLOUR))
                axes.scatter(fps, percent, s=46, marker="x", color=PAPER_COLOUR, zorder=3)
        axes.set_xscale("log")
        axes.set_xlabel("frames a second, decoded frame to detections (log)")
        axes.set_ylabel(METRICS[metric])
        axes.grid(alpha=0.3, which="both", linewidth=0.4)
        axes.margins(x=0.3, y=0.15)
        _write_labels(axes, labels)
    figure.suptitle(
        f"{run['machine'].get('gpu') or run['machine']['cpu']}, {run['machine']['cores']} cores", fontsize=9
    )
    figure.text(
        0.5,
        0.005,
        "each model at its fastest; filled: accuracy measured here; hollow: published; crosses: the paper, its GPU",
        ha="center",
        fontsize=7.5,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    _save(figure, path)


def plot_stages(run: dict[str, Any], path: Path) -> None:
    """Write a bar an entry: milliseconds of a frame in resize, inference and NMS; the fastest at batch 1."""
    pyplot = _pyplot()
    measured = [entry for entry in run["entries"] if "fps" in entry and entry["batch"] == 1]
    shown = sorted(measured, key=lambda entry: entry["ms"]["median"])[:BARS]
    figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(shown) + 1.2))
    longest = AXIS * min((sum(entry["stages_ms"].values()) for entry in shown), default=1.0)
    for place, entry in enumerate(shown):
        left = 0.0
        for stage, _, colour in STAGES:
            axes.barh(place, entry["stages_ms"][stage], left=left, color=colour)
            left += entry["stages_ms"][stage]
        # What is slower than the axis is long is cut off there, with its figure.
        axes.text(min(left, longest), place, f" {left:.1f}", va="center", fontsize=7)
    axes.set_yticks(range(len(shown)), [short_name(entry["name"]) for entry in shown], fontsize=8)
    for label, entry in zip(axes.get_yticklabels(), shown, strict=True):
        label.set_color(OUR_COLOUR if entry["group"] == OURS else "black")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08 * min(longest, max((sum(entry["stages_ms"].values()) for entry in shown), default=1.0)))
    axes.set_xlabel("ms a frame, batch 1, medians of the stages")
    axes.legend(
        [pyplot.Rectangle((0, 0), 1, 1, color=colour) for *_, colour in STAGES], [name for _, name, _ in STAGES]
    )
    figure.tight_layout()
    _save(figure, path)


def points(run: dict[str, Any], metric: str) -> list[dict[str, Any]]:
    """Return the entries at batch 1 that have a rate and an accuracy of one metric, a model once, at its fastest."""
    fastest: dict[tuple[str, float], dict[str, Any]] = {}
    for entry in run["entries"]:
        accuracy = entry["accuracy"] or {}
        if "fps" in entry and entry["batch"] == 1 and accuracy.get("metric") == metric:
            place = (entry["group"], accuracy["percent"])
            if place not in fastest or fastest[place]["fps"] < entry["fps"]:
                fastest[place] = entry
    return list(fastest.values())


def short_name(name: str) -> str:
    """Return an entry's name as a picture has room for it."""
    for long, short in (
        ("torchvision ", "tv "),
        ("Ultralytics ", ""),
        ("edgessd ", ""),
        ("onnxruntime", "ORT"),
        ("mobilenet", "mbn"),
        ("_random", ""),
        ("fasterrcnn", "frcnn"),
        (" (torch eager)", ""),
    ):
        name = name.replace(long, short)
    return name


def _write_labels(axes: Any, labels: list[tuple[float, float, str, str]]) -> None:
    """Write names above their points, on the side where the picture has room, higher where another name is."""
    low, high = axes.get_xlim()
    middle = (low * high) ** 0.5
    bottom, top = axes.get_ylim()
    step = (top - bottom) / 22
    taken: list[tuple[bool, float]] = []
    for fps, percent, text, colour in sorted(labels, key=lambda label: (label[1], label[0])):
        right = fps > middle
        height = percent + 0.6 * step
        while any(side == right and abs(height - other) < step for side, other in taken):
            height += 0.25 * step
        taken.append((right, height))
        place = (fps, height)
        axes.text(*place, text, fontsize=7, color=colour, va="bottom", ha="right" if right else "left")
    axes.set_ylim(bottom, max(top, max((height for _, height in taken), default=top) + 2 * step))


def _pyplot() -> Any:
    need("matplotlib", "eval").use("Agg")
    return need("matplotlib.pyplot", "eval")


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110)
    _pyplot().close(figure)
