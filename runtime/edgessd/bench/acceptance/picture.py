"""An acceptance report as a picture: bars drawn by OpenCV, which the runtime has anyway."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.bench.acceptance.accuracy import headline
from edgessd.device.format import board_lines

WIDTH, MARGIN, ROW, LABELS = 1100, 40, 30, 250
INK, GREY, LINE = (50, 40, 35), (140, 135, 130), (225, 222, 220)  # BGR
P50, P90, P99 = (160, 95, 30), (210, 160, 100), (238, 215, 185)
GOOD, BAD = (90, 145, 45), (60, 70, 200)
FONT = cv2.FONT_HERSHEY_DUPLEX
STAGES = ("resize", "inference", "postprocess")


@dataclass
class _Page:
    """A white page that is written from the top; y is where it goes on."""

    image: NDArray[np.uint8]
    y: int = MARGIN

    def text(self, text: str, x: int, y: int, *, size: float = 0.5, colour: tuple[int, int, int] = INK) -> None:
        """Write one line, of which OpenCV's fonts know ASCII only."""
        plain = text.encode("ascii", "replace").decode()
        cv2.putText(self.image, plain, (x, y), FONT, size, colour, 1, cv2.LINE_AA)

    def heading(self, text: str) -> None:
        """Write a part's heading with a line under it."""
        self.y += 22
        self.text(text, MARGIN, self.y, size=0.58)
        cv2.line(self.image, (MARGIN, self.y + 10), (WIDTH - MARGIN, self.y + 10), LINE, 1)
        self.y += 28

    def bar(self, name: str, said: str, parts: list[tuple[float, tuple[int, int, int]]], scale: float) -> range:
        """Draw a named bar and return where its text stands. parts: values and colours, the longest drawn first."""
        self.text(name, MARGIN, self.y + 15)
        end = LABELS
        for value, colour in sorted(parts, key=lambda part: -part[0]):
            right = LABELS + max(1, round(value * scale))
            cv2.rectangle(self.image, (LABELS, self.y), (right, self.y + ROW - 12), colour, cv2.FILLED)
            end = max(end, right)
        self.text(said, end + 10, self.y + 15, size=0.45)
        self.y += ROW
        return range(end + 6, end + 14 + cv2.getTextSize(said, FONT, 0.45, 1)[0][0])


def draw_report(report: dict[str, Any]) -> NDArray[np.uint8]:
    """Return a report's picture, (H, 1100, 3) uint8 BGR: rates against the target, stages, frame age."""
    page = _Page(np.full((1400, WIDTH, 3), 255, np.uint8))
    _title(page, report)
    _rates(page, report)
    _times(page, report)
    cut: NDArray[np.uint8] = page.image[: page.y + MARGIN - 10].copy()
    return cut


def _title(page: _Page, report: dict[str, Any]) -> None:
    model, machine = report["model"], report["machine"]
    page.text(f"{model['name']} ({model['precision']})", MARGIN, page.y + 8, size=0.8)
    place = machine.get("board") or report.get("gpu", {}).get("name") or f"{machine['cpu']}, {machine['cores']} cores"
    mode = f", power mode {machine['power_mode']}" if "power_mode" in machine else ""
    page.text(f"{model['backend']} on {place}{mode}", MARGIN, page.y + 36, colour=GREY)
    page.y += 50
    for line in _figures(report):
        page.text(line, MARGIN, page.y + 10, size=0.45, colour=GREY)
        page.y += 22


def _figures(report: dict[str, Any]) -> list[str]:
    """Return accuracy and the board's lines, as far as there are any."""
    pipeline = report["pipeline"]
    lines = board_lines(pipeline.get("board", {}), pipeline.get("fps_per_watt"))
    if "accuracy" in report:
        name, value = headline(report["accuracy"])
        lines.insert(0, f"{name} {value:.4f}")
    return lines


def _rates(page: _Page, report: dict[str, Any]) -> None:
    target, met = report["target_fps"], report.get("target_met")
    verdict = "the camera's pace" if met is None else "met" if met else "not met"
    page.heading(f"Frames per second against {target:.0f}: {verdict}")
    pipeline = report["pipeline"]
    watts = f", {pipeline['fps_per_watt']:.2f} per watt" if "fps_per_watt" in pipeline else ""
    rates = [("end to end", pipeline["fps"], watts)]
    for size, figures in report["batches"].items():
        if "fps" in figures:
            power = f", {figures['fps_per_watt']:.2f} per watt" if "fps_per_watt" in figures else ""
            rates.append((f"calls of {size}", figures["fps"], power))
    scale = (WIDTH - LABELS - 220) / max(target, *(fps for _, fps, _ in rates))
    mark = LABELS + round(target * scale)
    for name, fps, power in rates:
        top = page.y - 6
        text = page.bar(name, f"{fps:.1f} FPS{power}", [(fps, GOOD if fps >= target else BAD)], scale)
        if mark not in text:
            cv2.line(page.image, (mark, top), (mark, page.y - 6), INK, 1, cv2.LINE_AA)
    page.text(f"{target:.0f}", mark - 8, page.y + 8, size=0.42)
    page.y += 14


def _times(page: _Page, report: dict[str, Any]) -> None:
    """Draw the stages of calls and the frame age on one scale of milliseconds."""
    rows: list[tuple[str, dict[str, float]]] = []
    skipped = []
    for size, figures in report["batches"].items():
        if "skipped" in figures:
            skipped.append(f"calls of {size}: {figures['skipped']}")
            continue
        rows += [(f"{stage}, batch {size}", figures["stages"][stage]) for stage in STAGES]
    rows += [(name, values) for name, values in report["pipeline"]["stages"].items() if name == "decode"]
    pace = report["camera"]["pace"]
    rows.append(("frame age" + (f" at {pace:.0f} FPS" if pace else ""), report["camera"]["frame_age_ms"]))
    page.heading("Milliseconds: p50, p90, p99 (light to dark: rare to usual)")
    scale = (WIDTH - LABELS - 260) / max(0.001, *(values["p99"] for _, values in rows))
    for name, values in rows:
        said = " / ".join(f"{values[key]:.2f}" for key in ("p50", "p90", "p99"))
        page.bar(name, said, [(values["p50"], P50), (values["p90"], P90), (values["p99"], P99)], scale)
    for text in skipped:
        page.text(text[:120], MARGIN, page.y + 15, size=0.42, colour=GREY)
        page.y += 22
