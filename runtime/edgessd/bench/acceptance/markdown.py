"""An acceptance report as Markdown, to be pasted into an issue."""

from typing import Any

from edgessd.bench.acceptance.accuracy import headline
from edgessd.bench.measure import STAGES
from edgessd.device.format import board_lines


def as_markdown(report: dict[str, Any]) -> str:
    """Return the report's text; a line only for what was measured."""
    model = report["model"]
    lines = [f"# {model['name']} ({model['precision']}) on {_place(report)}", "", *_verdict(report), ""]
    lines += ["| measured on | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts(report)), ""]
    lines += _pipeline(report["pipeline"])
    for size, figures in report["batches"].items():
        lines += _batch(size, figures)
    return "\n".join(lines)


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return machine, model and versions, a row each."""
    machine, model = report["machine"], report["model"]
    versions = dict(machine["versions"])
    rows = [
        ("model", f"{model['name']}, {model['file']}, {model['precision']}, contract {model['contract']}"),
        ("backend", model["backend"]),
        ("edgessd", versions.pop("edgessd", "from a folder")),
        ("Python", machine["python"]),
        ("OpenCV", versions.pop("opencv")),
        *((name, version) for name, version in versions.items()),
        ("board", machine.get("board")),
        ("JetPack", machine.get("jetpack") and f"{machine['jetpack']} (L4T {machine['l4t']})"),
        ("power mode", machine.get("power_mode")),
        ("GPU", report.get("gpu", {}).get("name")),
        ("driver", _driver(report)),
        ("processor", f"{machine['cpu']}, {machine['cores']} cores"),
        ("system", machine["system"]),
        ("source", report["pipeline"]["source"]),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _driver(report: dict[str, Any]) -> str | None:
    module, cuda = report["machine"].get("nvidia_driver"), report.get("gpu", {}).get("driver_cuda")
    return ", ".join(text for text in (module, cuda and f"for CUDA {cuda}") if text) or None


def _place(report: dict[str, Any]) -> str:
    machine = report["machine"]
    return str(machine.get("board") or report.get("gpu", {}).get("name") or machine["cpu"])


def _verdict(report: dict[str, Any]) -> list[str]:
    pipeline, camera = report["pipeline"], report["camera"]
    target = f"{report['target_fps']:.0f} (SSD300's published rate)"
    if "target_met" in report:
        met = "met" if report["target_met"] else "**not met**"
        lines = [f"- {pipeline['fps']:.1f} FPS end to end against {target}: {met}"]
    else:
        lines = [f"- {pipeline['fps']:.1f} FPS end to end: the camera's pace is the limit"]
    age = camera["frame_age_ms"]
    paced = f"a camera of {camera['pace']:.0f} FPS" if camera["pace"] else "the camera"
    lost = f"{camera['dropped']} of {camera['frames']} frames lost"
    lines.append(f"- from capture to result, {paced}: p50 {age['p50']:.1f}, p99 {age['p99']:.1f} ms; {lost}")
    if "accuracy" in report:
        name, value = headline(report["accuracy"])
        where = f" on {report['accuracy']['images']} images" if "images" in report["accuracy"] else ""
        lines.append(f"- {name} {value:.4f}{where}")
    else:
        lines.append("- accuracy not measured: `edgessd eval MODEL --data DATA --json F`, then --map-json F")
    board = board_lines(pipeline.get("board", {}), pipeline.get("fps_per_watt"))
    lines += [f"- {line}" for line in board] or ["- this machine tells no power, temperature or throttling"]
    return lines


def _pipeline(figures: dict[str, Any]) -> list[str]:
    how = f"{figures['workers']} workers, {figures['frames']} frames"
    lines = [f"**Frames one by one** ({how})", "", "| stage | p50 ms | p90 ms | p99 ms |", "|---|---|---|---|"]
    lines += [_row(stage.replace("_", "-"), figures["stages"][stage]) for stage in STAGES if stage in figures["stages"]]
    limit = f"the cores allow {figures['limit_fps']:.1f} FPS"
    cpu = f"{figures['cpu_ms_per_frame']:.2f} ms CPU a frame: {limit}; {figures['rss_mb']:.0f} MB resident"
    return [*lines, "", cpu, ""]


def _batch(size: str, figures: dict[str, Any]) -> list[str]:
    if "skipped" in figures:
        return [f"**Batch {size}**: skipped, {figures['skipped']}", ""]
    watts = f", {figures['power_w']:.2f} W, {figures['fps_per_watt']:.2f} FPS per watt" if "power_w" in figures else ""
    lines = [f"**Batch {size}** ({figures['calls']} calls, one after the other): {figures['fps']:.1f} FPS{watts}", ""]
    lines += ["| a call's | p50 ms | p90 ms | p99 ms |", "|---|---|---|---|"]
    return [*lines, *(_row(stage, values) for stage, values in figures["stages"].items()), ""]


def _row(name: str, values: dict[str, float]) -> str:
    return f"| {name} | {values['p50']:.3f} | {values['p90']:.3f} | {values['p99']:.3f} |"
