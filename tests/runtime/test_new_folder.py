"""A folder is whole or not there; the next writer removes what a killed one left, and nothing that is in work."""

import fcntl
import os
from pathlib import Path

import pytest
from disks import disk_of_16_mb, fill_up

from edgessd.bench.demo import write_clip
from edgessd.errors import EdgessdError, InputError
from edgessd.util.files import new_folder


def test_it_is_there_when_all_went_well(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "out") as unfinished:
        (unfinished / "a").write_text("x")
        assert not (tmp_path / "deep" / "out").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert (tmp_path / "deep" / "out" / "a").read_text() == "x"


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "out") as unfinished:
            (unfinished / "a").write_text("x")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot write .*out: No space"):
        write()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError), new_folder(tmp_path / "file" / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_is_removed_and_what_is_in_work_is_not(tmp_path: Path) -> None:
    killed, in_work, other = (tmp_path / name for name in (".x.0a1b2c3d.unfinished", ".y.0a1b2c3d.unfinished", ".z"))
    for folder in (killed, in_work, other):
        folder.mkdir()
        (folder / "a").write_text("x")
    lock = os.open(in_work, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with new_folder(tmp_path / "out"):
        pass
    os.close(lock)
    assert {path.name for path in tmp_path.iterdir()} == {in_work.name, ".z", "out"}


def test_a_clip_that_a_full_disk_cut_is_not_put_in_place(tmp_path: Path) -> None:
    with disk_of_16_mb(tmp_path / "disk") as disk:
        with pytest.raises(OSError, match="No space"):
            fill_up(disk / "fill")
        os.truncate(disk / "fill", (disk / "fill").stat().st_size - 300_000)
        with pytest.raises(EdgessdError):
            write_clip(disk / "clip.mp4", 60)
        assert [path.name for path in disk.iterdir()] == ["fill"]
