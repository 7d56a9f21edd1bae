"""The public names: the loop of the documentation, and detections in other libraries' forms."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frames import blue_cell

import edgessd
from edgessd import Detections, Detector, Streams, draw, frames
from edgessd.errors import BackendError, EdgessdError, InputError, MissingExtra
from edgessd.model.postprocess import PostProcess

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "python.md"
LABELS = ("red", "blue")
TWO = Detections(np.array([[0, 1, 6, 8], [2, 2, 4, 3]], np.float32), np.array([0.9, 0.5], np.float32), np.array([1, 0]))


def test_every_public_name_is_there() -> None:
    for name in edgessd.__all__:
        assert getattr(edgessd, name) is not None


def test_the_loop_of_the_documentation(tiny: Path, video: Path) -> None:
    shown = []
    with Detector(tiny) as detector:
        for frame in frames(video):
            shown.append(draw(frame, detector.detect(frame), detector.card.labels))
    assert len(shown) == 20
    assert shown[0].shape == shown[-1].shape
    assert (shown[-1] != shown[0]).any()


def test_frames_frees_the_file_when_the_loop_ends_early(video: Path) -> None:
    opened = frames(str(video))
    assert next(opened).dtype == np.uint8
    opened.close()  # type: ignore[attr-defined]
    assert list(opened) == []


@pytest.mark.parametrize("number", range(len(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))))
def test_the_examples_of_the_page_run(number: int, tmp_path: Path, video: Path, tiny: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]
    (tmp_path / "street.jpg").write_bytes(b"")
    import cv2

    cv2.imwrite(str(tmp_path / "street.jpg"), blue_cell(1, 2, height=240, width=320))
    (tmp_path / "video.mp4").write_bytes(video.read_bytes())
    (tmp_path / "other.mp4").write_bytes(video.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "given", ["a.jpg", b"abc", [[[1, 2, 3]]], None, np.zeros((4, 4), np.uint8), np.zeros((2, 2, 3))]
)
def test_what_is_no_frame_is_told(tiny: Path, given: object) -> None:
    with Detector(tiny) as detector, pytest.raises(InputError) as refused:
        detector.detect(given)  # type: ignore[arg-type]
    assert refused.value.fix


def test_an_array_of_frames_is_a_batch(tiny: Path) -> None:
    frames = np.stack([blue_cell(0, 0), blue_cell(1, 2)])
    with Detector(tiny) as detector:
        found = detector.detect_batch(frames)  # type: ignore[arg-type]
        assert [len(each) for each in found] == [1, 1]
        with pytest.raises(InputError, match="expected a BGR image"):
            detector.detect_batch(frames[0])  # type: ignore[arg-type]


def test_what_cannot_be_drawn_is_told(tiny: Path) -> None:
    frame = blue_cell(0, 0)
    with Detector(tiny) as detector:
        found = detector.detect(frame)
    for image, labels in ((None, detector.card.labels), (frame / 255, detector.card.labels), (frame, ())):
        with pytest.raises(InputError):
            draw(image, found, labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, True, 1.5, b"a.mp4", ["a.mp4"], np.zeros((4, 4, 3), np.uint8), "", " "])
def test_what_is_no_source_is_told(source: object) -> None:
    with pytest.raises(InputError, match=r"a source (is|has)"):
        next(frames(source))  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"workers": 0}, {"workers": -1}, {"workers": 1.5}, {"settings": {"score": 0.5}}])
def test_what_no_detector_can_be_made_of(tiny: Path, settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Detector(tiny, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"labels": "blue"}, {"detections": 0}, {"candidates": -5}])
def test_settings_that_would_report_nothing(settings: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PostProcess(**settings)  # type: ignore[arg-type]


def test_streams_take_what_frames_takes(tiny: Path, video: Path) -> None:
    with Detector(tiny) as detector, Streams(detector) as streams:
        with pytest.raises(InputError, match="a source is a path"):
            streams.add("bad", None)  # type: ignore[arg-type]
        streams.add("door", video)
        assert len(list(streams)) == 20


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_closed_detector_says_so(tiny: Path, backend: str) -> None:
    pytest.importorskip(backend)
    with Detector(tiny, backend=backend) as detector:
        pass
    detector.close()
    with pytest.raises(BackendError, match="closed"):
        detector.detect(blue_cell(0, 0))
    with pytest.raises(BackendError, match="closed"):
        detector.detect_batch([blue_cell(0, 0)])


def test_detections_as_supervision_has_them() -> None:
    pytest.importorskip("supervision")
    found = TWO.to_supervision(LABELS)
    assert found.xyxy.tolist() == TWO.boxes_xyxy.tolist()
    assert (found.class_id.tolist(), found.data["class_name"].tolist()) == ([1, 0], ["blue", "red"])
    assert found.tracker_id is None
    assert replace(TWO, ids=np.array([3, -1])).to_supervision(LABELS).tracker_id.tolist() == [3, -1]
    assert len(TWO[TWO.scores > 1].to_supervision(LABELS)) == 0


def test_detections_as_a_data_frame() -> None:
    pytest.importorskip("pandas")
    table = TWO.to_dataframe(LABELS)
    assert list(table.columns) == ["label", "score", "x1", "y1", "x2", "y2"]
    assert table.iloc[0].tolist() == ["blue", np.float32(0.9), 0, 1, 6, 8]
    assert replace(TWO, ids=np.array([3, -1])).to_dataframe(LABELS)["id"].tolist() == [3, -1]
    assert len(TWO[TWO.scores > 1].to_dataframe(LABELS)) == 0


@pytest.mark.parametrize("form", ["to_supervision", "to_dataframe"])
def test_an_absent_library_is_told(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    for module in ("supervision", "pandas"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match="pip install"):
        getattr(TWO, form)(LABELS)


def test_an_error_has_its_parts() -> None:
    error = EdgessdError("the rule, got 3", fix="give 2", command="edgessd x 2")
    assert (str(error), error.cause, error.fix, error.command) == (
        "the rule, got 3: give 2", "the rule, got 3", "give 2", "edgessd x 2",
    )  # fmt: skip
    assert str(error.within("a.toml")) == "a.toml: the rule, got 3: give 2"
    assert (str(EdgessdError("alone")), EdgessdError("x", command="y").fix) == ("alone", "y")
