"""An archive on odd names, damaged and foreign files, a full disk, URLs with secrets."""

import json
import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest
from disks import disk_of_16_mb, fill_up
from frames import blue_cell

from edgessd.archive.job import Item, Outcome, State

Edgessd = Callable[..., tuple[int, str, str]]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", blue_cell(1, 2, height=48, width=64))[1].tobytes())
    return path


@pytest.fixture
def archive(edgessd: Edgessd, tiny: Path) -> Callable[..., tuple[int, str]]:
    def call(*arguments: object, form: str = "jsonl") -> tuple[int, str]:
        code, out, err = edgessd("archive", *arguments, "-m", tiny, "--format", form, "--workers", 1)
        assert "Traceback" not in err
        return code, out + err

    return call


Archive = Callable[..., tuple[int, str]]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_odd_names(archive: Archive, tmp_path: Path, form: str) -> None:
    pytest.importorskip("pyarrow")
    for name in (b"caf\xe9.png", b"x\x1b[2J.png", b"a:b.png", b"line\nbreak.png", b"n" * 251 + b".png", b"=1+1.png"):
        picture(tmp_path / "in" / os.fsdecode(name))
    (tmp_path / "in" / "._x.png").write_bytes(b"resource fork")
    for before in (0, 6):
        code, said = archive(tmp_path / "in", "--out", tmp_path / "out", form=form)
        assert (code, f"6 of 6 files done ({before} before), 0 broken" in said) == (0, True), said
        assert "\x1b" not in said
    assert len(list((tmp_path / "out" / "results").iterdir())) == 6


def test_what_it_wrote_is_no_input(archive: Archive, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for _ in range(2):
        assert archive(tmp_path, "--out", tmp_path)[0] == 0
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["files"] == 1
        assert not [name for name in summary["not_read"] if name.startswith("results")]


@pytest.mark.parametrize("name", ["manifest.jsonl", "summary.json"])
def test_another_programs_files_stay(archive: Archive, tmp_path: Path, name: str) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("precious\n")
    code, said = archive(tmp_path / "in", "--out", tmp_path / "out")
    assert (code, f"{name} that is no archive's" in said) == (2, True)
    assert (tmp_path / "out" / name).read_text() == "precious\n"


@pytest.mark.parametrize(
    "change",
    [
        {"frames": "many"}, {"frames": 10**400}, {"frames": -1}, {"frames": 1.5}, {"labels": {"a": None}},
        {"labels": 5}, {"digest": "../../x"}, {"digest": None}, {"path": 5}, {"note": []}, {"state": "won"},
        {"more": 1},
    ],
)  # fmt: skip
def test_a_line_of_the_manifest_is_read_or_refused(change: dict[str, object]) -> None:
    line = Outcome.broken(Item("a", "a", "1"), "x").as_json()
    assert Outcome.from_json(line).state is State.BROKEN
    with pytest.raises((ValueError, TypeError, KeyError)):
        Outcome.from_json(line | change)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\xfe", b"5\n[]\nnull\n{}\n", b'{"state": "done"}'])
def test_a_damaged_manifest_costs_no_result(archive: Archive, tmp_path: Path, content: bytes) -> None:
    picture(tmp_path / "in" / "a.png")
    assert archive(tmp_path / "in", "--out", tmp_path / "out")[0] == 0
    (tmp_path / "out" / "manifest.jsonl").write_bytes(content)
    code, said = archive(tmp_path / "in", "--out", tmp_path / "out")
    assert (code, "1 of 1 files done" in said) == (0, True)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_damaged_results_are_made_again(archive: Archive, tmp_path: Path, form: str) -> None:
    pytest.importorskip("pyarrow")
    picture(tmp_path / "in" / "a.png")
    assert archive(tmp_path / "in", "--out", tmp_path / "out", form=form)[0] == 0
    (results,) = (tmp_path / "out" / "results").iterdir()
    whole = results.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"5\n" * 10, b"[" * 20_000):
        results.write_bytes(damaged)
        (tmp_path / "out" / "manifest.jsonl").unlink()
        code, said = archive(tmp_path / "in", "--out", tmp_path / "out", form=form)
        assert (code, "1 of 1 files done" in said) == (0, True), said
        if damaged:
            assert results.read_bytes() == whole


def test_a_list_from_windows_and_a_pipe(archive: Archive, tmp_path: Path) -> None:
    place = picture(tmp_path / "a\u2028b.png")
    (tmp_path / "list.txt").write_bytes(f"\ufeff{place}\r\n".encode())
    assert "1 of 1 files done" in archive(f"@{tmp_path}/list.txt", "--out", tmp_path / "out")[1]
    (tmp_path / "list.txt").write_bytes(f"{place}\r\n".encode("utf-16"))
    code, said = archive(f"@{tmp_path}/list.txt", "--out", tmp_path / "out")
    assert (code, "is UTF-16" in said) == (2, True)
    os.mkfifo(tmp_path / "pipe.mp4")
    code, said = archive(tmp_path / "pipe.mp4", "--out", tmp_path / "out")
    assert (code, "is no file" in said) == (2, True)


def test_a_full_disk_is_told_and_the_next_run_goes_on(archive: Archive, tmp_path: Path) -> None:
    for number in range(60):
        picture(tmp_path / "in" / f"{number}.png")
    with disk_of_16_mb(tmp_path / "disk") as disk:
        with pytest.raises(OSError, match="No space"):
            fill_up(disk / "fill")
        os.truncate(disk / "fill", (disk / "fill").stat().st_size - 60_000)
        code, said = archive(tmp_path / "in", "--out", disk / "out")
        assert code in (1, 2)
        assert "space" in said
        assert len(said.splitlines()) < 4
        (disk / "fill").unlink()
        code, said = archive(tmp_path / "in", "--out", disk / "out")
        assert (code, "60 of 60 files done" in said) == (0, True)
        for line in (disk / "out" / "manifest.jsonl").read_text().splitlines():
            assert json.loads(line)["state"] == "done"
        assert not list((disk / "out").rglob(".*"))


def test_no_password_or_token_of_a_url_is_shown_or_kept(archive: Archive, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    picture(tmp_path / "in" / "a.png")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "in"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port, out = server.server_port, tmp_path / "out"
        code, said = archive(f"http://127.0.0.1:{port}/a.png?token=geheim", "--out", out)
        assert (code, "1 of 1 files done" in said) == (0, True), said
        for missing in (f"http://127.0.0.1:{port}/no.png?token=geheim", "http://u:geheim@127.0.0.1:9/a.png"):
            code, more = archive(missing, "--out", out)
            assert code == 2
            said += more
        server.shutdown()
    assert "geheim" not in said
    for path in out.rglob("*"):
        assert "geheim" not in path.name
        assert path.is_dir() or b"geheim" not in path.read_bytes()
    assert [path.name.split(".")[:2] for path in (out / "results").iterdir()] == [["a", "png"]]
