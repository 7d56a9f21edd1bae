"""Recordings: segments, a killed process, encoders that fail, a full disk."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from disks import fill_up
from results import LABELS, result, status
from servers.cameras import eventually

from edgessd.errors import VideoError
from edgessd.sinks.video import SegmentSink, VideoSink
from edgessd.streams.status import State


def frames_of(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


@pytest.fixture(params=["ffmpeg .mkv", "ffmpeg .mp4", "opencv .mkv"])
def suffix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    program, suffix = request.param.split()
    if program == "opencv":
        monkeypatch.setenv("PATH", "/nowhere")
    elif shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    return suffix


def test_a_recording_begins_anew_when_frames_change_their_size_or_the_camera_left(suffix: str, tmp_path: Path) -> None:
    sink = SegmentSink(tmp_path / "v", LABELS, suffix=suffix)
    for height in (48, 48, 32):
        for index in range(5):
            sink.write(result(index, height=height))
            time.sleep(0.05)
    sink.report(status(State.STALE))
    sink.write(result(0))
    sink.close()
    videos = sorted((tmp_path / "v").iterdir())
    counts = [frames_of(path) for path in videos]
    assert counts == [10, 5, 1]
    assert all(path.suffix == suffix for path in videos)


def test_segments_end_by_time_and_old_ones_go(suffix: str, tmp_path: Path) -> None:
    sink = SegmentSink(tmp_path / "v", LABELS, suffix=suffix, segment_seconds=0.05, keep=2)
    for index in range(12):
        sink.write(result(index))
        time.sleep(0.02)
    sink.close()
    assert len(list((tmp_path / "v").iterdir())) == 2


def test_a_segment_ends_by_size(suffix: str, tmp_path: Path) -> None:
    sink = SegmentSink(tmp_path / "v", LABELS, suffix=suffix, segment_bytes=1)
    for index in range(40):
        sink.write(result(index, height=480, width=640, noise=True))
        time.sleep(0.02)
    sink.close()
    assert len(list((tmp_path / "v").iterdir())) > 1


RECORD = """
import sys, time, shutil, numpy as np
from pathlib import Path
sys.path.insert(0, {here!r})
from results import LABELS, result
from edgessd.sinks.video import SegmentSink, VideoSink
sink = SegmentSink(Path({folder!r}), LABELS, suffix={suffix!r})
for index in range(100000):
    sink.write(result(index, height=240, width=320, noise=True))
    time.sleep(0.005)
    if index == 200: print("ready", flush=True)
"""


def test_a_killed_process_leaves_videos_that_play(suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "v"
    script = RECORD.format(here=str(Path(__file__).parents[1]), folder=str(folder), suffix=suffix)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    (path,) = folder.iterdir()
    # ffmpeg notices the end of its input and finishes the file.
    assert path.name.startswith(".door_000001_")
    assert eventually(lambda: frames_of(path) >= 100, 10), frames_of(path)
    sink = SegmentSink(folder, LABELS, suffix=suffix)
    sink.write(result(0, height=240, width=320))
    sink.close()
    first, second = sorted(folder.iterdir())
    assert (first.name[:12], second.name[:12]) == ("door_000001_", "door_000002_")
    assert frames_of(first) >= 100


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
def test_an_encoder_that_is_none_is_told(tmp_path: Path) -> None:
    sink = SegmentSink(tmp_path / "v", LABELS, encoder="no_such_encoder")

    def write_on() -> None:
        for index in range(200):
            sink.write(result(index, height=240, width=320))
            time.sleep(0.01)

    with pytest.raises(VideoError, match="no_such_encoder"):
        write_on()


def test_a_full_disk_starts_no_encoder_for_every_frame(small_disk: Path) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("needs the program ffmpeg")
    sink = SegmentSink(small_disk, LABELS)
    with pytest.raises(OSError, match="No space left"):
        fill_up(small_disk / "fill")
    told = []
    for index in range(60):
        try:
            sink.write(result(index, noise=True))
        except VideoError as error:
            told.append(str(error))
        time.sleep(0.01)
    sink.close()
    assert "No space left on device" in told[0]
    assert "tried again every 5 s" in told[-1]
    assert [path.name for path in small_disk.iterdir()] == ["fill"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("program", ["ffmpeg", "opencv"])
def test_a_full_disk_replaces_no_good_video(
    suffix: str, program: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program == "opencv":
        monkeypatch.setenv("PATH", "/nowhere")
    elif shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    path = small_disk / f"o{suffix}"
    path.write_bytes(b"a good video of before")
    (small_disk / "fill").write_bytes(bytes(14 << 20))
    sink = VideoSink(path, LABELS, fps=30)

    def write_all() -> None:
        try:
            for index in range(60):
                sink.write(result(index, height=240, width=640, noise=True))
        finally:
            sink.close()

    with pytest.raises(VideoError, match=f"cannot write .*o{suffix}: .*: free space"):
        write_all()
    assert path.read_bytes() == b"a good video of before"
    assert sorted(each.name for each in small_disk.iterdir()) == ["fill", f"o{suffix}"]


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs the program ffprobe")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_frame_of_a_video_stands_at_its_own_time(suffix: str, tmp_path: Path) -> None:
    times = [5.0, 5.04, 5.3, 5.31, 6.0]
    sink = VideoSink(tmp_path / f"o{suffix}", LABELS, fps=10)
    for index, seconds in enumerate([*times, 5.0]):  # the last is the next file's first
        given = result(index, height=33, width=65)
        sink.write(replace(given, frame=replace(given.frame, media_time=seconds)))
    sink.close()
    assert str(sink) == f"{tmp_path}/o{suffix}: H.264, 6 frames, 1.2 s"
    command = ["ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", f"o{suffix}"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert [float(each) for each in found] == pytest.approx([0, 0.04, 0.3, 0.31, 1.0, 1.1], abs=1.1e-3)


def test_a_video_removes_what_a_killed_run_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".o.0123abcd.unfinished.mp4").write_bytes(b"half")
    sink = VideoSink(tmp_path / "o.mp4", LABELS)
    sink.write(result(0))
    sink.close()
    assert [path.name for path in tmp_path.iterdir()] == ["o.mp4"]
