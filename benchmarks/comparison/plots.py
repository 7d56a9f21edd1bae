"""The two pictures of a run: CPU time against accuracy, and where the time of a frame goes. At README size."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from comparison.entry import OURS, PEER
from edgessd.util.extras import need
from edgessd.util.files import replacing

OUR_COLOUR, PEER_COLOUR, UNKNOWN_COLOUR = "#0b6e4f", "#b5533c", "#777777"
STAGES = (("resize", "resize", "#9ecae1"), ("inference", "inference", "#3182bd"), ("postprocess", "NMS", "#e6550d"))
BARS = 14
AXIS = 15  # the longest bar or CPU time shown, in times of the shortest


def plot_accuracy(run: dict[str, Any], path: Path) -> None:
    """Write CPU time of a frame against VOC2007 mAP, a marker a model, and the Pareto line of what was measured.

    Filled: both measured here. Hollow: the mAP is published. Triangles on the floor: random weights, mAP unknown.
    """
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 5.2))
    known, unknown = points(run, "voc07"), without_accuracy(run)
    widest = AXIS * min((entry["cpu_ms"] for entry in known), default=float("inf"))
    beyond = [short_name(entry["name"]) for entry in known + unknown if entry["cpu_ms"] > widest]
    known, unknown = ([entry for entry in some if entry["cpu_ms"] <= widest] for some in (known, unknown))
    floor = min((entry["accuracy"]["percent"] for entry in known), default=70.0) - 2
    labels = []
    for entry in known:
        cpu, percent = entry["cpu_ms"], entry["accuracy"]["percent"]
        colour = OUR_COLOUR if entry["group"] == OURS else PEER_COLOUR
        face = colour if entry["accuracy"]["measured"] else "none"
        axes.scatter(cpu, percent, s=46, facecolors=face, edgecolors=colour, zorder=3)
        labels.append((cpu, percent, short_name(entry["name"]), colour))
    line = pareto([(entry["cpu_ms"], entry["accuracy"]["percent"]) for entry in known])
    if line:
        axes.step(*zip(*line, strict=True), where="post", color=OUR_COLOUR, linewidth=1, alpha=0.6)
    for entry in unknown:
        axes.scatter(entry["cpu_ms"], floor, s=40, marker="^", facecolors="none", edgecolors=UNKNOWN_COLOUR, zorder=3)
        axes.text(
            entry["cpu_ms"], floor - 0.4, short_name(entry["name"]), fontsize=7, color=UNKNOWN_COLOUR,
            rotation=-60, ha="left", va="top", rotation_mode="anchor",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.set_xlabel("CPU ms a frame, all threads together, decoded frame to detections (log)")
    axes.set_ylabel("VOC2007 mAP, 11 points, IoU 0.5 (%)")
    axes.grid(alpha=0.3, which="both", linewidth=0.4)
    axes.margins(x=0.08, y=0.1)
    axes.set_ylim(bottom=floor - (7 if unknown else 1))
    _write_labels(axes, labels)
    machine = run["machine"]
    axes.set_title(f"{machine.get('gpu') or machine['cpu']}, {machine['cores']} cores", fontsize=9)
    figure.text(
        0.5,
        0.005,
        "each model in its cheapest form; filled: measured here on val; hollow: mAP published; "
        "triangles: random weights, mAP unknown" + (f"\nfurther right: {', '.join(beyond)}" if beyond else ""),
        ha="center",
        fontsize=7.5,
    )
    figure.tight_layout(rect=(0, 0.06, 1, 1))
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
    """Return the entries at batch 1 that have a time and an accuracy of one metric, a model once, at its cheapest."""
    return cheapest(
        (entry["group"], entry["accuracy"]["percent"], entry)
        for entry in run["entries"]
        if measured(entry) and (entry["accuracy"] or {}).get("metric") == metric
    )


def without_accuracy(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the peers at batch 1 without an mAP on VOC2007, a network once, at its cheapest."""
    return cheapest(
        (entry["group"], entry["name"].partition(" (")[0], entry)
        for entry in run["entries"]
        if measured(entry) and entry["group"] == PEER and (entry["accuracy"] or {}).get("metric") != "voc07"
    )


def measured(entry: dict[str, Any]) -> bool:
    """Return whether an entry has times at batch 1."""
    return "fps" in entry and entry["batch"] == 1


def cheapest(found: Iterable[tuple[str, object, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return of entries with the same group and key the one that needs the least CPU time."""
    kept: dict[tuple[str, object], dict[str, Any]] = {}
    for group, key, entry in found:
        if (group, key) not in kept or entry["cpu_ms"] < kept[group, key]["cpu_ms"]:
            kept[group, key] = entry
    return list(kept.values())


def pareto(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (cost, value) that no other undercuts: for rising cost each better than all before."""
    line: list[tuple[float, float]] = []
    for cost, value in sorted(places, key=lambda place: (place[0], -place[1])):
        if not line or value > line[-1][1]:
            line.append((cost, value))
    return line


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
    """Write names right of their points, left of those in the right third, higher where another name is."""
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    step = (top - bottom) / 26
    taken: list[float] = []
    for cost, percent, text, colour in sorted(labels, key=lambda label: (label[1], label[0])):
        height = percent + 0.3 * step
        while any(abs(height - other) < step for other in taken):
            height += 0.25 * step
        taken.append(height)
        left = cost > low ** (1 / 3) * high ** (2 / 3)
        place = (cost / 1.04 if left else cost * 1.04, height)
        axes.text(*place, text, fontsize=7, color=colour, va="center", ha="right" if left else "left")
    axes.set_ylim(bottom, max([top, *(height + 2 * step for height in taken)]))


def _pyplot() -> Any:
    need("matplotlib", "eval").use("Agg")
    return need("matplotlib.pyplot", "eval")


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=110)
    _pyplot().close(figure)
