import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import blue_cell

Edgessd = Callable[..., tuple[int, str, str]]


def test_a_video_becomes_an_annotated_video_and_json_lines(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path
) -> None:
    out, lines = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    code, _, err = edgessd("detect", video, "--model", tiny, "--out", out, "--jsonl", lines)
    assert (code, "20 frames" in err, "blue 10" in err) == (0, True, True)
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(20))
    assert set(rows[0]) == {"source", "frame", "time", "media_time", "age_ms", "detections"}
    assert [row["media_time"] for row in rows] == pytest.approx([index / 25 for index in range(20)], abs=1e-3)
    assert rows[0]["detections"] == []
    assert rows[15]["detections"][0]["label"] == "blue"
    assert rows[15]["detections"][0]["box"] == pytest.approx([32, 16, 48, 32], abs=0.1)
    capture = cv2.VideoCapture(str(out))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blue.avi", "o.jsonl", "o.mp4"]


def test_boxes_of_a_video_keep_their_ids(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    plain, lines, out = tmp_path / "plain.jsonl", tmp_path / "o.jsonl", tmp_path / "o.mp4"
    assert edgessd("detect", video, "--model", tiny, "--jsonl", plain)[0] == 0
    assert edgessd("detect", video, "--model", tiny, "--track", "--jsonl", lines, "--out", out)[0] == 0
    before, rows = ([json.loads(line) for line in path.read_text().splitlines()] for path in (plain, lines))
    assert all("id" not in found for row in before for found in row["detections"])
    ids = [[found["id"] for found in row["detections"]] for row in rows]
    assert ids == [[]] * 10 + [[1]] * 10


def test_json_lines_on_standard_output(edgessd: Edgessd, tiny: Path, video: Path) -> None:
    code, out, _ = edgessd("detect", video, "-m", tiny, "--jsonl", "-", "--max-frames", "3")
    assert code == 0
    assert [json.loads(line)["frame"] for line in out.splitlines()] == [0, 1, 2]


def test_images_of_all_kinds(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    blue = blue_cell(1, 2)
    cv2.imwrite(str(folder / "colour.png"), blue)
    cv2.imwrite(str(folder / "grey.png"), blue[..., 0])
    cv2.imwrite(str(folder / "rgba.png"), cv2.cvtColor(blue, cv2.COLOR_BGR2BGRA))
    cv2.imwrite(str(folder / "one.png"), blue[:1, :1])
    cv2.imwrite(str(folder / "wide.png"), np.zeros((20, 20000, 3), np.uint8))
    (folder / "notes.txt").write_text("not an image")
    code, lines, err = edgessd("detect", folder, "-m", tiny, "--out", out, "--jsonl", "-")
    assert code == 0, err
    rows = {row["source"]: row for row in map(json.loads, lines.splitlines())}
    assert len(rows["colour.png"]["detections"]) == len(rows["rgba.png"]["detections"]) == 1
    assert rows["one.png"]["detections"] == rows["wide.png"]["detections"] == []
    assert len(rows["grey.png"]["detections"]) == 2  # white is blue and red
    assert {path.name for path in out.iterdir()} == set(rows)
    assert cv2.imread(str(out / "wide.png")).shape == (20, 20000, 3)


def test_one_image_to_one_image(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), blue_cell(0, 0))
    assert edgessd("detect", tmp_path / "a.png", "-m", tiny, "--out", tmp_path / "b.jpg")[0] == 0
    drawn = cv2.imread(str(tmp_path / "b.jpg")).astype(int)
    assert drawn.shape == blue_cell(0, 0).shape
    assert np.abs(drawn - blue_cell(0, 0)).max() > 100  # a box


def test_labels_and_threshold(edgessd: Edgessd, tiny: Path, video: Path) -> None:
    _, _, err = edgessd("detect", video, "-m", tiny, "--classes", "red")
    assert "nothing found" in err
    _, _, err = edgessd("detect", video, "-m", tiny, "--score", "1")
    assert "nothing found" in err


@pytest.fixture
def bad(tmp_path: Path, video: Path, tiny: Path) -> dict[str, Path]:
    """Files that are not what they claim."""
    content = video.read_bytes()
    files = {
        "empty.mp4": b"",
        "noise.mp4": bytes(range(256)) * 20,
        "cut.mp4": b"\x00\x00\x00\x20ftypisom" + content[:500],
        "noise.jpg": b"\xff\xd8\xff" + bytes(range(200)),
        "noise.onnx": bytes(range(256)) * 20,
        "page.jpg": b"<!DOCTYPE html><html>404</html>",
        "page.mp4": b"\xef\xbb\xbf\n<html>404</html>",
        "cut.onnx": tiny.read_bytes()[:900],
        "empty.onnx": b"",
        "bare.onnx": tiny.read_bytes().replace(b"\x07edgessd", b"\x07another"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder").mkdir()
    header_only = cv2.VideoWriter(str(tmp_path / "zero.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    header_only.release()
    return {**{name: tmp_path / name for name in files}, "folder": tmp_path / "folder", "zero": tmp_path / "zero.avi"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["detect", "nowhere.mp4", "-m", "{tiny}"], "nowhere.mp4"),
        (["detect", "{empty.mp4}", "-m", "{tiny}"], "empty"),
        (["detect", "{noise.mp4}", "-m", "{tiny}"], "not a video"),
        (["detect", "{cut.mp4}", "-m", "{tiny}"], "not a video"),
        (["detect", "{zero}", "-m", "{tiny}"], "no frame"),
        (["detect", "{noise.jpg}", "-m", "{tiny}"], "is cut off"),
        (["detect", "{page.jpg}", "-m", "{tiny}"], "is a web page"),
        (["detect", "{page.mp4}", "-m", "{tiny}"], "is a web page"),
        (["detect", "{folder}", "-m", "{tiny}"], "no image"),
        (["detect", "99", "-m", "{tiny}"], "camera 99"),
        (["detect", "{video}", "-m", "{noise.onnx}"], "not a whole ONNX"),
        (["detect", "{video}", "-m", "{cut.onnx}"], "not a whole ONNX"),
        (["detect", "{video}", "-m", "{empty.onnx}"], "empty"),
        (["detect", "{video}", "-m", "{bare.onnx}"], "without an edgessd card"),
        (["detect", "{video}", "-m", "nowhere.onnx"], "no model file"),
        (["detect", "{video}", "-m", "{tiny}", "--classes", "bird"], "unknown class 'bird'"),
        (["detect", "{video}", "-m", "{tiny}", "--classes", ",,"], "no label is named"),
        (["detect", "{video}", "-m", "{tiny}", "--classes", ""], "no label is named"),
        (["detect", "{video}", "-m", "{tiny}", "--score", "1.5"], "0..1"),
        (["detect", "{video}", "-m", "{tiny}", "--score", "-1"], "0..1"),
        (["detect", "{video}", "-m", "{tiny}", "--score", "high"], "--score"),
        (["detect", "{video}", "-m", "{tiny}", "--out", "/nowhere/o.mp4"], "does not exist"),
        (["detect", "{video}", "-m", "{tiny}", "--out", "{folder}/o.txt"], "cannot write o.txt"),
        (["detect", "{video}", "-m", "{tiny}", "--out", "{folder}/o.jpg"], "many frames"),
        (["detect", "{video}", "-m", "{tiny}", "--jsonl", "/nowhere/o.jsonl"], "does not exist"),
        (["detect", "{video}", "-m", "{tiny}", "--policy", "some"], "latest, every"),
        (["detect", "{video}", "-m", "{tiny}", "--backend", "tpu"], "unknown backend"),
        (["detect", "{video}", "-m", "{tiny}", "--max-frames", "0"], "--max-frames"),
        (["bench", "{noise.onnx}"], "not a whole ONNX"),
        (["bench", "{tiny}", "nowhere.mp4"], "nowhere.mp4"),
        (["bench", "{tiny}", "--json", "/nowhere/f.json"], "does not exist"),
        (["info", "{noise.onnx}"], "not a whole ONNX"),
        (["info", "{bare.onnx}"], "without an edgessd card"),
        (["info", "{folder}"], "ends in"),
        (["fly"], "fly"),
        (["detect"], "SOURCE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_2(
    edgessd: Edgessd, tiny: Path, video: Path, bad: dict[str, Path], arguments: list[str], words: str
) -> None:
    places = {"tiny": tiny, "video": video, **bad}
    filled = []
    for argument in arguments:
        for name, path in places.items():
            argument = argument.replace(f"{{{name}}}", str(path))
        filled.append(argument)
    before = sorted(bad["folder"].parent.rglob("*"))
    code, out, err = edgessd(*filled)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2, err
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in err + out
    assert sorted(bad["folder"].parent.rglob("*")) == before  # nothing half-written


def test_show_without_a_screen(edgessd: Edgessd, tiny: Path, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, _, err = edgessd("detect", video, "-m", tiny, "--show")
    assert (code, "screen" in err) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_video_is_whole(number: signal.Signals, tiny: Path, tmp_path: Path) -> None:
    long, out = tmp_path / "long.avi", tmp_path / "o.mp4"
    writer = cv2.VideoWriter(str(long), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    for _ in range(3000):
        writer.write(np.zeros((480, 640, 3), np.uint8))
    writer.release()
    lines = tmp_path / "o.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgessd", "detect", long, "-m", tiny, "--out", out, "--jsonl", lines],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A test run in the background has inherited that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while (not lines.exists() or lines.stat().st_size < 500) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    frames = cv2.VideoCapture(str(out)).get(cv2.CAP_PROP_FRAME_COUNT)
    assert 0 < frames < 3000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.avi", "o.jsonl", "o.mp4"]


def test_a_source_is_never_written_over(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    picture = folder / "a.png"
    cv2.imwrite(str(picture), blue_cell(1, 2))
    (folder / "other").mkdir()
    before = {path: path.read_bytes() for path in (video, picture)}
    for arguments in (
        (video, "--jsonl", video),
        (picture, "--out", picture),
        (folder, "--out", folder),
        (folder, "--out", folder / "other" / ".."),
        (folder, "--jsonl", picture),
    ):
        code, _, err = edgessd("detect", *arguments, "-m", tiny)
        assert (code, "would be lost" in err) == (2, True), err
    assert {path: path.read_bytes() for path in before} == before
    code, _, err = edgessd("detect", folder, picture, "-m", tiny, "--out", tmp_path / "both")
    assert (code, "2 sources are called a.png" in err) == (2, True), err
    assert not (tmp_path / "both").exists()


def test_a_video_that_is_cut_off_is_told(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), number, np.uint8))
    writer.release()
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    assert "warning" not in edgessd("detect", whole, "-m", tiny)[2]
    code, _, err = edgessd("detect", cut, "-m", tiny)
    assert (code, "of 30 frames: it is cut off" in err) == (0, True), err


def test_sources_of_different_sizes_for_one_video_are_refused_before_any_is_detected(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path
) -> None:
    larger, out, lines = tmp_path / "larger.avi", tmp_path / "o.mp4", tmp_path / "o.jsonl"
    writer = cv2.VideoWriter(str(larger), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 48))
    writer.write(np.zeros((48, 96, 3), np.uint8))
    writer.release()
    code, _, err = edgessd("detect", video, larger, "-m", tiny, "--out", out, "--jsonl", lines)
    assert (code, "64x48 pixels" in err, "larger.avi 96x48" in err) == (2, True, True), err
    folder = tmp_path / "images"
    folder.mkdir()
    for index, width in enumerate((32, 32, 40)):
        cv2.imwrite(str(folder / f"{index}.png"), np.zeros((24, width, 3), np.uint8))
    code, _, err = edgessd("detect", folder, "-m", tiny, "--out", out, "--jsonl", lines)
    assert (code, "0.png has 32x24 pixels and 2.png 40x24" in err) == (2, True), err
    assert not out.exists()
    assert not lines.exists()
    assert edgessd("detect", video, larger, "-m", tiny, "--out", tmp_path / "o")[0] == 0


@pytest.mark.parametrize("fps", [12.5, 83.333, 196.263])
def test_an_annotated_video_plays_as_fast_as_its_source(
    edgessd: Edgessd, tiny: Path, tmp_path: Path, fps: float
) -> None:
    """Also a short one, whose last frame counts: how long it is shown must be told."""
    source, out = tmp_path / "i.avi", tmp_path / "o.mp4"
    writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for _ in range(12):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert edgessd("detect", source, "-m", tiny, "--out", out)[0] == 0
    assert cv2.VideoCapture(str(out)).get(cv2.CAP_PROP_FPS) == pytest.approx(fps, rel=0.01)


@pytest.mark.skipif(not hasattr(cv2, "imencodeanimation"), reason="needs OpenCV 4.11")
def test_no_picture_of_an_animation_is_written_over(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    animation = cv2.Animation()
    animation.frames = [np.full((20, 30, 4), number * 40, np.uint8) for number in range(3)]
    animation.durations = np.full(3, 40)
    path, out = tmp_path / "a.png", tmp_path / "out"
    path.write_bytes(cv2.imencodeanimation(".png", animation)[1].tobytes())
    assert edgessd("detect", path, "-m", tiny, "--out", out)[0] == 0
    assert sorted(each.name for each in out.iterdir()) == ["a.png", "a_000001.png", "a_000002.png"]
    code, _, err = edgessd("detect", path, "-m", tiny, "--out", tmp_path / "one.png")
    assert (code, "is one image" in err) == (2, True), err


def test_a_wrong_option_leaves_the_results_of_before(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    lines = tmp_path / "o.jsonl"
    lines.write_text("before\n")
    code, _, err = edgessd("detect", video, "-m", tiny, "--jsonl", lines, "--tiles", "motion")
    assert (code, "--motion" in err, lines.read_text()) == (2, True, "before\n"), err
