"""Names that no file can have, folders where files belong, and the closing of a terminal: one line, nothing lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from edgessd.errors import InputError
from edgessd.util.files import make_folder, readable, replacing, status, writable, write_text

Edgessd = Callable[..., tuple[int, str, str]]
LONG = "a" * 300
IMPOSSIBLE = [LONG, f"{LONG}/x", "a\0b", "x/" * 3000 + "y"]


@pytest.mark.parametrize("name", IMPOSSIBLE)
@pytest.mark.parametrize("check", [lambda path: readable(path, "file"), writable, make_folder])
def test_an_impossible_name_is_refused(tmp_path: Path, name: str, check: Callable[[Path], Path]) -> None:
    with pytest.raises(InputError):
        check(tmp_path / name)
    assert status(tmp_path / name) is None


@pytest.mark.parametrize("name", [LONG, f"{LONG}.mp4", f"{LONG}.onnx", f"{LONG}.jpg"])
@pytest.mark.parametrize("verb", ["detect", "info", "bench", "run", "doctor --model", "selftest", "run --check"])
def test_every_verb_refuses_it_in_one_line(edgessd: Edgessd, verb: str, name: str) -> None:
    code, _, err = edgessd(*verb.split(), name)
    assert code == (1 if verb.startswith("doctor") else 2)
    assert err.count("\n") == (0 if verb.startswith("doctor") else 1)


@pytest.mark.parametrize("option", ["--out", "--jsonl"])
@pytest.mark.parametrize("place", [LONG, "file/x.mp4", "nowhere/x.mp4", "folder"])
def test_an_output_that_cannot_be_is_refused_first(
    edgessd: Edgessd, tmp_path: Path, tiny: Path, video: Path, option: str, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    if (option, place) == ("--out", "folder"):
        place = LONG
    code, _, err = edgessd("detect", video, "-m", tiny, option, tmp_path / place)
    assert code == 2, err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("stem", ["n" * 235, "n" * 251, "\u9580" * 83])
def test_the_longest_names_can_be_written(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.txt"
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected a folder"):
        make_folder(tmp_path / "file")
    with pytest.raises(InputError, match="no thing at"):
        readable(tmp_path / "file" / "x", "thing")
    with pytest.raises(InputError, match="cannot write"):
        writable(tmp_path / "file" / "x")


def test_a_device_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a device"):
        readable(Path("/dev/zero"), "file")


def test_a_fault_inside_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise OSError(28, os.strerror(28))

    with pytest.raises(InputError, match="No space left"):
        fail()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a.txt", "old")]


def start(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "edgessd", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=_as_in_a_terminal)


def _as_in_a_terminal() -> None:
    """Tests that run under nohup hand it on."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_closed_terminal_loses_no_video(tmp_path: Path, tiny: Path, video: Path) -> None:
    out = tmp_path / "o.mp4"
    lines = tmp_path / "o.jsonl"
    process = start("detect", f"{video}?pace=10&loop=1", "-m", tiny, "--out", out, "--jsonl", lines)
    deadline = time.monotonic() + 60
    while (not lines.exists() or lines.read_text().count("\n") < 8) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    assert process.returncode == 130
    capture = cv2.VideoCapture(str(out))
    assert all(capture.read()[0] for _ in range(5))
    assert not list(tmp_path.glob(".*unfinished*"))


def test_nohup_goes_on(tmp_path: Path, tiny: Path, video: Path) -> None:
    out = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "edgessd", "detect", f"{video}?pace=10", "-m", str(tiny), "--jsonl", str(out)]
    command += ["--max-frames", "20"]
    process = subprocess.Popen(
        ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
    assert len(out.read_text().splitlines()) == 20


@pytest.mark.parametrize("name", ["o.mp4", "o.avi", os.fsdecode(b"o\xfc.mkv")])
def test_a_video_beside_a_name_that_is_no_utf8(tmp_path: Path, tiny: Path, video: Path, name: str) -> None:
    """OpenCV ends the process for such a name, also of the folder: in a process of its own."""
    folder = tmp_path / os.fsdecode(b"T\xfcr")
    folder.mkdir()
    command = [sys.executable, "-m", "edgessd", "detect", str(video), "-m", str(tiny), "--out", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize(
    ("source", "closed", "code", "words"),
    [
        ("-", "<&-", 2, b"ended before its first whole frame"),
        ("{video}", ">&-", 2, b"standard output is closed"),
        ("{video}", ">&- 2>&-", 2, b""),
        ("{video}", "> lines 2> >(exec true)", 0, b""),
        ("{video}", "> lines 2> /dev/full", 0, b""),
    ],
)
def test_closed_standard_streams(
    tmp_path: Path, tiny: Path, video: Path, source: str, closed: str, code: int, words: bytes
) -> None:
    command = f"sleep 0.2; exec {sys.executable} -m edgessd detect {source} -m {tiny} --jsonl - {closed}"
    command = command.format(video=video)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
