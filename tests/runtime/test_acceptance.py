"""The acceptance report: its three files, accuracy of the same model alone, what a model cannot do is said."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boards
import cv2
import numpy as np
import pytest

from edgessd.bench.acceptance import accept, as_markdown
from edgessd.bench.acceptance.accuracy import headline, read_accuracy
from edgessd.bench.acceptance.measuring import without_folders
from edgessd.bench.measure import Synthetic
from edgessd.detector import Detector
from edgessd.errors import InputError
from edgessd.sources import Repeated

Edgessd = Callable[..., tuple[int, str, str]]
PERCENTILES = {"p50", "p90", "p99"}


def figures_file(folder: Path, **changes: Any) -> Path:
    path = folder / "map.json"
    content = {"metric": "voc07", "mAP": 0.5, "per_class": {"blue": 0.5}, "images": 3, "model": "/a/tiny.onnx"}
    content["data"] = "voc:/home/me/set@val"
    path.write_text(json.dumps(content | changes))
    return path


def test_the_three_files(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "acceptance"
    code, out, err = edgessd(
        "bench", tiny, video, "--frames", "20", "--report", folder, "--map-json", figures_file(tmp_path)
    )
    assert code == 0, err
    assert "FPS end to end" in out
    assert str(folder / "report.md") in out
    report = json.loads((folder / "report.json").read_text())
    assert report["accuracy"] == {"metric": "voc07", "mAP": 0.5, "images": 3, "data": "voc:set@val"}
    assert report["target_met"] == (report["pipeline"]["fps"] >= 59)
    assert report["camera"]["pace"] == 60
    assert set(report["camera"]["frame_age_ms"]) == PERCENTILES
    for size, calls in (("1", 20), ("8", 20)):
        batch = report["batches"][size]
        assert batch["calls"] == calls
        assert set(batch["stages"]) == {"resize", "inference", "postprocess", "call"}
        assert all(set(values) == PERCENTILES for values in batch["stages"].values())
        assert batch["stages"]["call"]["p50"] >= batch["stages"]["inference"]["p50"]
    text = (folder / "report.md").read_text()
    for words in ("# tiny (fp32) on ", "FPS end to end against 59", "mAP (voc07) 0.5000 on 3 images", "**Batch 8**"):
        assert words in text
    assert f"| numpy | {np.__version__} |" in text
    assert f"| OpenCV | {cv2.__version__} |" in text
    assert str(tmp_path) not in text + (folder / "report.json").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md"]


def test_on_a_board(tiny: Path, tmp_path: Path) -> None:
    root = boards.thor(tmp_path)
    report = accept(
        Repeated(Synthetic()), lambda workers: Detector(tiny, workers=workers), frames=20, workers=1, root=root
    )
    assert report["pipeline"]["board"]["power_w"]["mean"] == 32.0
    assert report["batches"]["8"]["power_w"] == 32.0
    text = as_markdown(report)
    assert "32.00 W mean, 32.00 W at most (VIN)" in text
    assert "throttled: no" in text
    assert "accuracy not measured" in text


def test_a_camera_is_its_own_measure(tiny: Path, tmp_path: Path) -> None:
    report = accept(
        Repeated(Synthetic(), 200), lambda workers: Detector(tiny, workers=workers), frames=20, workers=1, root=tmp_path
    )
    assert report["camera"]["pace"] is None
    text = as_markdown(report)
    assert "the camera's pace is the limit" in text
    assert "this machine tells no power, temperature or throttling" in text


class FixedAtOne(Detector):
    """The tiny model as an engine is whose profile ends at one image."""

    def __init__(self, model: Path, workers: int) -> None:
        super().__init__(model, workers=workers)
        self.backend.most = 1


def test_a_model_fixed_at_one_says_so(tiny: Path, tmp_path: Path) -> None:
    report = accept(
        Repeated(Synthetic()), lambda workers: FixedAtOne(tiny, workers), frames=20, workers=1, root=tmp_path
    )
    assert "fps" in report["batches"]["1"]
    assert set(report["batches"]["8"]) == {"skipped"}
    assert "**Batch 8**: skipped, the model takes 1 at once" in as_markdown(report)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "other.onnx"}, "holds the accuracy of other.onnx, not of tiny.onnx: run `edgessd eval tiny.onnx"),
        ({"model": "default"}, "holds the accuracy of picodet_s_voc_336.onnx"),
        ({"metric": None}, "holds no figures of `edgessd eval`"),
        ({"mAP": None}, "holds no figures of `edgessd eval`"),
        ({"mAP": float("nan")}, "holds no figures of `edgessd eval`"),
    ],
)
def test_accuracy_of_another_model_is_refused(tiny: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        read_accuracy(figures_file(tmp_path, **changes), tiny)


def test_accuracy_that_is_a_list_is_refused(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="holds no figures"):
        read_accuracy(path, tiny)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/home/me/videos/a.mp4", "a.mp4"),
        ("rtsp://10.0.0.5/live/1", "rtsp://10.0.0.5/live/1"),
        ("gst:filesrc location=/home/me/a.mp4 ! qtdemux", "gst:filesrc location=a.mp4 ! qtdemux"),
        ("gst:videotestsrc ! " + "identity ! " * 400 + "video/x-raw", None),
    ],
)
def test_a_report_names_no_folder(source: str, words: str | None) -> None:
    assert without_folders(source) == (source if words is None else words)


def test_the_headline_of_each_metric() -> None:
    assert headline({"metric": "voc12", "mAP": 0.25}) == ("mAP (voc12)", 0.25)
    assert headline({"metric": "coco", "AP": 0.125, "AP50": 0.3}) == ("AP (coco)", 0.125)


def test_bad_input_is_told_before_the_measurement(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    code, _, err = edgessd("bench", tiny, "--map-json", figures_file(tmp_path))
    assert (code, "add --report" in err) == (2, True)
    (tmp_path / "file").write_text("x")
    code, _, err = edgessd("bench", tiny, "--report", tmp_path / "file")
    assert (code, "is a file" in err) == (2, True)
    code, _, err = edgessd(
        "bench", tiny, "--report", tmp_path / "r", "--map-json", figures_file(tmp_path, model="other.onnx")
    )
    assert (code, "not of tiny.onnx" in err) == (2, True)
