"""Videos whose frames OpenCV loses or never writes: what is left comes, in its order, and the rest is told."""

import logging
import random
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.sources import Frame, open_source

FRAMES = 60
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    """A video of MJPEG, whose packets stand alone, each of another brightness."""
    path = tmp_path / "motion.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


def damage(path: Path, first: int, count: int) -> None:
    """Replace the bytes of packets by others."""
    content, rng = bytearray(path.read_bytes()), random.Random(1)
    at = content.index(b"movi")  # an index before it names the packets, too
    for number in range(first + count):
        at = content.index(b"00dc", at)
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if number >= first:
            content[at + 8 : at + 8 + size] = rng.randbytes(size)
        at += 8 + size
    path.write_bytes(content)


def numbers(frames: list[Frame]) -> list[int]:
    return [round(float(frame.image.mean()) / 4) for frame in frames]


@pytest.mark.parametrize("count", [1, 17, 40])
def test_damaged_packets_in_a_row_lose_nothing_behind_them(
    motion: Path, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    damage(motion, 10, count)
    with caplog.at_level(logging.WARNING, "edgessd"):
        found = numbers(list(open_source(str(motion)).frames()))
    assert found == [*range(10), *range(10 + count, FRAMES)]
    assert "has damaged packets, which are left out" in caplog.text
    assert (f"ended after {FRAMES - count} of {FRAMES} frames" in caplog.text) == (count > FRAMES // 10)


def test_a_whole_video_is_not_called_damaged(motion: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edgessd"):
        assert numbers(list(open_source(str(motion)).frames())) == list(range(FRAMES))
    assert not caplog.text


@needs_ffmpeg
def test_a_recording_that_begins_late_is_not_called_cut_off(motion: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a recorder writes it that cuts its stream into files: Matroska counts the time before it, too."""
    late = motion.with_suffix(".mkv")
    copied = ("-c", "copy", "-output_ts_offset", "60", str(late))
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(motion), *copied], check=True)
    source = open_source(str(late))
    assert source.frame_count == FRAMES
    assert numbers(list(source.frames())) == list(range(FRAMES))
    assert not caplog.text


@needs_ffmpeg
def test_frames_that_an_edit_list_hides_are_not_called_cut_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = encode(tmp_path / "w.mp4", "-vf", "format=yuv420p", "-c:v", "libx264")
    trimmed = tmp_path / "t.mp4"
    options = ("-ss", "0.17", "-i", str(whole), "-c", "copy", str(trimmed))
    subprocess.run(["ffmpeg", "-loglevel", "error", *options], check=True)
    assert 0 < len(list(open_source(str(trimmed)).frames())) < 9
    assert "edit list" in caplog.text
    assert "cut off" not in caplog.text


@needs_ffmpeg
@pytest.mark.parametrize("codec", ["libaom-av1", "libsvtav1"])
def test_a_codec_that_opencv_does_not_decode(codec: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", "-vf", "format=yuv420p", "-c:v", codec)
    check_motion(list(open_source(str(path)).frames()), 10)


def encode(path: Path, *options: str) -> Path:
    source = ("-f", "lavfi", "-i", "testsrc=size=720x576:rate=25:duration=0.4")
    command = ["ffmpeg", "-loglevel", "error", "-y", *source, *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this ffmpeg does not encode it: {done.stderr[-200:]}")
    return path


INTERLACED = {
    "m.mpg": ("-vf", "format=yuv420p", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "4M"),
    "d.dv": ("-pix_fmt", "yuv420p", "-c:v", "dvvideo"),
    "f.mkv": ("-vf", "setfield=tff,format=yuv420p", "-c:v", "ffv1", "-flags", "+ildct", "-field_order", "tt"),
    "h.mp4": ("-vf", "format=yuv420p", "-c:v", "libx264", "-x264opts", "tff=1", "-flags", "+ilme+ildct"),
}


def check_motion(frames: list[Frame], count: int) -> None:
    """Every picture is one of the test picture, and none is that before it, as where nobody wrote it."""
    assert len(frames) == count
    assert all(110 < frame.image.mean() < 145 for frame in frames)
    assert not any(np.array_equal(a.image, b.image) for a, b in pairwise(frames))
    times = [frame.media_time for frame in frames]
    assert None not in times
    assert times == sorted(times)  # type: ignore[type-var]
    assert [frame.index for frame in frames] == list(range(count))


@needs_ffmpeg
@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_video(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / name, *INTERLACED[name])
    check_motion(list(open_source(str(tmp_path / name)).frames()), 10)
    monkeypatch.chdir(tmp_path)
    check_motion(list(open_source(name).frames()), 10)


@needs_ffmpeg
def test_video_that_is_interlaced_later(tmp_path: Path) -> None:
    """As a broadcast has it, whose film is progressive and whose news are not."""
    first = encode(tmp_path / "p.ts", "-vf", "format=yuv420p", "-c:v", "libx264")
    second = encode(tmp_path / "i.ts", *INTERLACED["h.mp4"])
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    check_motion(list(open_source(str(path)).frames()), 20)
