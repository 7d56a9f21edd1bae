"""Recordings: segments, a killed process, encoders that fail, a full disk."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from disks import fill_up
from results import LABELS, result, status
from servers.cameras import eventually

from edgessd.errors import VideoError
from edgessd.sinks.video import SegmentSink
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
from edgessd.sinks.video import SegmentSink
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
