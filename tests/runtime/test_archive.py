"""An archive: every file once, whatever dies; the same bytes again; broken files listed."""

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

from edgessd.archive.job import Item, Outcome, Settings, State
from edgessd.archive.team import Died, Done, Failed, Member, Message, Ready, run_all
from edgessd.errors import BackendError, InputError

Edgessd = Callable[..., tuple[int, str, str]]


def clip(path: Path, frames: int = 6, blue_from: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for index in range(frames):
        blue = blue_cell(1, 2, height=48, width=64)
        writer.write(blue if index >= blue_from else np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips, a picture, a broken clip, and what is no video."""
    folder = tmp_path / "in"
    clip(folder / "a.avi")
    clip(folder / "below" / "a.avi", frames=4)
    cv2.imwrite(str(folder / "p.png"), blue_cell(1, 2, height=48, width=64))
    (folder / "broken.mp4").write_bytes(b"no video" * 50)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.avi").write_bytes(b"x")
    return folder


def archived(edgessd: Edgessd, tiny: Path, out: Path, *sources: object, code: int = 0) -> str:
    done = edgessd("archive", *sources, "-m", tiny, "--out", out, "--format", "jsonl", "--workers", 2)
    assert done[0] == code, done
    return done[1] + done[2]


def results(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in (out / "results").rglob("*.jsonl")}


def test_every_file_has_its_results_and_a_broken_one_its_reason(
    edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path
) -> None:
    out = tmp_path / "out"
    said = archived(edgessd, tiny, out, folder)
    assert "broken: broken.mp4: " in said
    assert "3 of 4 files done (0 before), 1 broken, 11 frames, 5 detections" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["not_read"] == ["notes.txt"]
    assert [each["path"] for each in summary["broken"]] == [str(folder / "broken.mp4")]
    assert str(tmp_path) not in summary["broken"][0]["reason"]
    names = sorted(name.rsplit(".", 2)[0] for name in results(out))
    assert names == ["results/a.avi", "results/below/a.avi", "results/p.png"]
    (lines,) = (text for name, text in results(out).items() if name.startswith("results/below/"))
    first, *_, last = map(json.loads, lines.decode().splitlines())
    assert first == {"source": "below/a.avi", "frame": 0, "media_time": 0.0, "detections": []}
    assert [found["label"] for found in last["detections"]] == ["blue"]


def test_what_is_complete_is_not_done_again_and_what_changed_is(
    edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path
) -> None:
    out = tmp_path / "out"
    archived(edgessd, tiny, out, folder)
    before = {path: path.stat().st_mtime_ns for path in (out / "results").rglob("*.jsonl")}
    (out / "manifest.jsonl").write_text('{"name": "a.avi", "st')  # killed; and all that was known is lost
    clip(folder / "p2.avi")
    said = archived(edgessd, tiny, out, folder)
    assert "4 of 5 files done" in said
    assert {path: path.stat().st_mtime_ns for path in before} == before
    clip(folder / "p2.avi", blue_from=1)
    said = archived(edgessd, tiny, out, folder)
    assert "(3 before)" in said
    assert len([name for name in results(out) if "p2.avi" in name]) == 2


def test_other_settings_do_not_mix_into_a_folder(edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out"
    archived(edgessd, tiny, out, folder / "a.avi")
    code, _, err = edgessd("archive", folder, "-m", tiny, "--out", out, "--format", "jsonl", "--score", 0.9)
    assert code == 2
    assert "holds results of another score: None, not 0.9" in err


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["missing.mp4"], "nothing at"),
        (["@missing.txt"], "cannot read the list"),
        ([], "Missing argument"),
    ],
)
def test_what_is_not_there_is_told_before_any_work(
    edgessd: Edgessd, tiny: Path, tmp_path: Path, sources: list[str], words: str
) -> None:
    code, _, err = edgessd("archive", *sources, "-m", tiny, "--out", tmp_path / "out", "--format", "jsonl")
    assert code == 2
    assert words in err
    assert not (tmp_path / "out").exists()


def test_a_list_names_sources(edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "list.txt").write_text(f"# clips\n{folder / 'a.avi'}\n\n{folder / 'below'}\n")
    assert "2 of 2 files done" in archived(edgessd, tiny, tmp_path / "out", f"@{tmp_path / 'list.txt'}")


def test_killed_again_and_again_no_file_is_done_twice(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    folder, out, whole = tmp_path / "in", tmp_path / "out", tmp_path / "whole"
    for index in range(24):
        clip(folder / f"{index}.avi", frames=60, blue_from=index)
    command = [sys.executable, "-m", "edgessd", "archive", str(folder), "-m", str(tiny), "--out", str(out)]
    command += ["--format", "jsonl", "--workers", "2"]
    written: dict[Path, int] = {}
    for _ in range(5):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(out.glob("results/*.jsonl"))) > len(written):
                break
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1.5)  # the workers end with their current file
        for path in out.glob("results/*.jsonl"):
            assert written.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    archived(edgessd, tiny, out, folder)
    assert all(path.stat().st_mtime_ns == at for path, at in written.items())
    assert not list(out.rglob(".*unfinished*"))
    archived(edgessd, tiny, whole, folder)
    assert len(results(out)) == 24
    assert results(out) == results(whole)


def test_a_cut_off_clip_stays_noted(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    """Also when it is known again by its content."""
    path = clip(tmp_path / "in" / "a.avi", frames=60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    out = tmp_path / "out"
    for _ in range(2):
        archived(edgessd, tiny, out, path)
        (note,) = json.loads((out / "summary.json").read_text())["cut_off"]
        assert "of 60 frames: it is cut off" in note["reason"]
        (out / "manifest.jsonl").unlink()


def test_parquet_has_a_row_a_detection(edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    command = ("archive", folder, "-m", tiny, "--out", tmp_path / "out", "--workers", 1)
    code, _, err = edgessd(*command)
    assert code == 0, err
    (tmp_path / "out" / "manifest.jsonl").unlink()  # the counts are read from the files again
    assert "3 of 4 files done (0 before), 1 broken, 11 frames, 5 detections" in edgessd(*command)[1]
    (path,) = (tmp_path / "out" / "results").glob("a.avi.*.parquet")
    rows = parquet.read_table(path).to_pylist()
    assert [(row["source"], row["frame"], row["label"]) for row in rows] == [("a.avi", n, "blue") for n in (3, 4, 5)]
    assert parquet.read_metadata(path).metadata[b"frames"] == b"6"


def test_places_of_fsspec(edgessd: Edgessd, tiny: Path, tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("fsspec")
    out = tmp_path / "out"
    code, said, err = edgessd(
        "archive", f"file://{folder}", "-m", tiny, "--out", f"file://{out}", "--format", "jsonl", "--workers", 1
    )
    assert code == 0, err
    assert "3 of 4 files done (0 before), 1 broken" in said
    archived(edgessd, tiny, tmp_path / "local", folder)
    assert results(out) == results(tmp_path / "local")


class Scripted:
    """A team whose workers answer, die or fail as a script says: the order of deaths that no process can be told."""

    size = 2

    def __init__(self, *, deadly: str = "", stillborn: bool = False) -> None:
        self.deadly, self.stillborn = deadly, stillborn
        self.started = 0
        self.news: list[tuple[Member, Message[Outcome]]] = []

    def start(self) -> None:
        self.started += 1
        self.news.append((self.started, Died("exit code 1") if self.stillborn else Ready()))

    def give(self, member: Member, item: Item) -> None:
        done = Done(Outcome(item.path, item.name, item.stamp, State.DONE))
        self.news.append((member, Died("signal 11 (SIGSEGV)") if item.name == self.deadly else done))

    def messages(self) -> list[tuple[Member, Message[Outcome]]]:
        news, self.news = self.news, []
        return news


def test_a_file_that_kills_workers_is_broken_and_the_others_are_done() -> None:
    items = [Item(name, name, "") for name in "abcd"]
    outcomes = {outcome.name: outcome for outcome in run_all(Scripted(deadly="b"), items, Outcome.broken)}
    assert [outcomes[name].state for name in "abcd"] == [State.DONE, State.BROKEN, State.DONE, State.DONE]
    assert "SIGSEGV" in outcomes["b"].note


def test_workers_that_never_load_the_model_end_the_job() -> None:
    with pytest.raises(BackendError, match="died while loading the model: exit code 1"):
        list(run_all(Scripted(stillborn=True), [Item("a", "a", "")], Outcome.broken))


def test_a_worker_that_cannot_write_ends_the_job() -> None:
    team = Scripted()
    team.give = lambda member, item: team.news.append((member, Failed(InputError("disk full"))))  # type: ignore[method-assign]
    with pytest.raises(InputError, match="disk full"):
        list(run_all(team, [Item("a", "a", "")], Outcome.broken))


def test_a_name_at_the_file_systems_limit_has_results() -> None:
    name = Settings("out").results_of(Item("x", "f/" + "ä" * 120 + ".mp4", ""), "0123456789abcdef")
    assert len(name.rpartition("/")[2].encode(errors="surrogateescape")) <= 255
    assert name.endswith(".0123456789abcdef.parquet")
