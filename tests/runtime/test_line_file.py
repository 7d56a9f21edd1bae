"""Lines on disk: whole ones, whatever happened to the file."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import fill_up
from results import LABELS, result

from edgessd.errors import InputError
from edgessd.sinks.line_file import LineFile
from edgessd.sinks.records import CsvSink, JsonlSink


@pytest.mark.parametrize("take_away", [lambda path: path.rename(path.with_suffix(".1")), Path.unlink])
def test_lines_follow_their_path_when_logrotate_takes_the_file_away(
    take_away: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "o.csv"
    lines = LineFile(path, header="head")
    lines.write("one")
    take_away(path)
    lines.write("two")
    lines.close()
    assert path.read_text() == "head\ntwo\n"


def test_a_line_that_a_power_cut_left_half_swallows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text('{"whole": 1}\n{"source": "g", "fra')
    sink = JsonlSink(path, LABELS)
    sink.write(result(7))
    sink.close()
    assert json.loads(path.read_text().splitlines()[-1])["frame"] == 7


def test_a_line_that_a_full_disk_cut_is_taken_back(small_disk: Path) -> None:
    lines = LineFile(small_disk / "o.txt")
    lines.write("first")
    with pytest.raises(OSError, match="No space left"):
        fill_up(small_disk / "fill")
    with pytest.raises(InputError, match=r"o\.txt: No space left on device: free space"):
        lines.write("x" * 100_000)
    (small_disk / "fill").unlink()
    lines.write("last")
    lines.close()
    assert (small_disk / "o.txt").read_text() == "first\nlast\n"


def test_a_named_pipe_without_a_reader_is_refused_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # A reader that comes late would end the wait of an open that waits, so that this test fails and never hangs.
    late = threading.Timer(5, lambda: os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)))
    late.start()
    with pytest.raises(InputError, match="start its reader first"):
        LineFile(pipe)
    late.cancel()
    with pytest.raises(InputError, match="cannot write /dev/full: No space left"):
        LineFile(Path("/dev/full")).write("x")


def test_a_reader_that_has_enough_ends_the_command_quietly(tiny: Path, video: Path) -> None:
    command = f"'{sys.executable}' -m edgessd detect '{video}' -m '{tiny}' --jsonl - | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frame"] == 0
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_full_standard_output_is_an_error(tiny: Path, video: Path) -> None:
    command = f"'{sys.executable}' -m edgessd detect '{video}' -m '{tiny}' --jsonl - >/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: cannot write standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spreadsheet_computes_no_label(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "o.csv", ("x", "=1+1\n\x1b[2J"))
    sink.write(result(1))
    sink.close()
    assert "'=1+1\\n\\x1b[2J," in (tmp_path / "o.csv").read_text().splitlines()[1]
