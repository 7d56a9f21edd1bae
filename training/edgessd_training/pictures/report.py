"""report.html: what a run learnt and where it errs, in one file that needs no network to be read."""

import base64
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd.sinks.draw import draw
from edgessd.util.files import write_text
from edgessd_training.data.faults import Fault
from edgessd_training.data.images import read_image
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics.voc import MIN_IOU

SHOWN = 6  # pictures of a kind
SIDE = 480  # pixels of their longer side
SCORE = 0.3
PLOTS = ("loss.png", "metric.png", "precision_recall.png", "confusion.png")
MOST_FAULTS = 3  # examples of a kind
LABELLED_BGR = (255, 255, 255)


@dataclass(frozen=True)
class Judged:
    """One split as the best checkpoint sees it."""

    name: str
    data: DataSet
    figures: Mapping[str, Any]
    detections: Sequence[Detections]


def write_report(
    folder: Path,
    title: str,
    told: Sequence[str],
    faults: Sequence[Fault],
    judged: Sequence[Judged],
    commands: Sequence[str],
) -> Path:
    """Write the page into a run's folder and return its path. judged: the validation split first."""
    errors = [_error(record, found) for record, found in zip(judged[0].data.records, judged[0].detections, strict=True)]
    order = sorted(range(len(errors)), key=lambda index: -errors[index])
    worst = [index for index in order if errors[index] > 0][:SHOWN]
    best = [index for index in reversed(order) if index not in worst and len(judged[0].data.records[index].classes)]
    parts = [
        f"<h1>{_text(title)}</h1>",
        *(_figures(each) for each in judged),
        _section("Next", "<pre>" + "\n".join(map(_text, commands)) + "</pre>"),
        _section(f"Where it errs (labels white, found in colour, scores from {SCORE:g})", _pictures(judged[0], worst)),
        _section("Where it does well", _pictures(judged[0], best[:SHOWN])),
        _section("Curves", "".join(_plot(folder / name) for name in PLOTS)),
        _section("Data", "".join(f"<p>{_text(line)}</p>" for line in told) + _faults(faults)),
    ]
    page = folder / "report.html"
    write_text(page, f"<!doctype html><meta charset=utf-8><title>{_text(title)}</title>{STYLE}{''.join(parts)}\n")
    return page


STYLE = (
    "<meta name=viewport content='width=device-width'><style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;"
    "margin:2rem auto;padding:0 1rem;color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem "
    ".8rem;text-align:left;border-bottom:1px solid #ddd}pre{background:#f3f3f3;padding:1rem;overflow-x:auto}"
    "img{max-width:100%;margin:.2rem}figure{display:inline-block;margin:.3rem;vertical-align:top;max-width:30rem}"
    "figcaption{font-size:.85rem;overflow-wrap:anywhere}</style>"
)


def _text(value: object) -> str:
    return html.escape(str(value).encode("utf-8", "replace").decode())


def _section(title: str, content: str) -> str:
    return f"<h2>{_text(title)}</h2>{content or '<p>none</p>'}"


def _figures(judged: Judged) -> str:
    figures = judged.figures
    rows = "".join(
        f"<tr><td>{_text(label)}</td><td>{'no box' if value is None else f'{value:.4f}'}</td></tr>"
        for label, value in (figures.get("per_class") or {}).items()
    )
    value = figures["AP" if figures["metric"] == "coco" else "mAP"]
    head = f"<p><b>{_text(judged.name)}: {_text(figures['metric'])} {value:.4f}</b> on {len(judged.data.records)} "
    return f"{head}pictures</p><table>{rows}</table>"


def _error(record: Record, found: Detections) -> float:
    """Return how wrong one picture is: 1 for a box not found, the score for each detection without a box."""
    shown = found[found.scores >= SCORE]
    counted = ~(record.difficult | record.crowd)
    overlaps = iou(shown.boxes_xyxy, record.boxes_xyxy) * (shown.classes[:, None] == record.classes[None, :])
    if not overlaps.size:
        return float(counted.sum() + shown.scores.sum())
    hit = overlaps > MIN_IOU
    return float((counted & ~hit.any(axis=0)).sum() + shown.scores[~hit.any(axis=1)].sum())


def _pictures(judged: Judged, chosen: Sequence[int]) -> str:
    return "".join(
        f"<figure><img alt='' src='{_jpeg(_drawn(judged, index))}'>"
        f"<figcaption>{_text(judged.data.records[index].file_name)}</figcaption></figure>"
        for index in chosen
    )


def _drawn(judged: Judged, index: int) -> NDArray[np.uint8]:
    record, found = judged.data.records[index], judged.detections[index]
    image = read_image(record.path)
    scale = SIDE / max(image.shape[:2])
    size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    for left, top, right, bottom in np.rint(record.boxes_xyxy * scale).astype(int).tolist():
        cv2.rectangle(small, (left, top), (right - 1, bottom - 1), LABELLED_BGR, 1)
    shown = found[found.scores >= SCORE]
    scaled = Detections(shown.boxes_xyxy * np.float32(scale), shown.scores, shown.classes)
    return draw(np.asarray(small, np.uint8), scaled, judged.data.labels)


def _jpeg(image: NDArray[np.uint8]) -> str:
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _plot(path: Path) -> str:
    if not path.is_file():
        return ""
    return f"<img alt='{_text(path.stem)}' src='data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}'>"


def _faults(faults: Sequence[Fault]) -> str:
    rows = []
    for kind, count in Counter(fault.kind for fault in faults).most_common():
        same = [fault for fault in faults if fault.kind == kind]
        word = "left out or mended" if same[0].is_error else "note"
        examples = "<br>".join(_text(f"{fault.where}: {fault.detail}") for fault in same[:MOST_FAULTS])
        rows.append(f"<tr><td>{_text(kind)}</td><td>{count}</td><td>{word}</td><td>{examples}</td></tr>")
    head = "<tr><th>finding</th><th>count</th><th></th><th>examples</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else "<p>nothing was found wrong</p>"
