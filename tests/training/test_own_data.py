"""`edgessd train DATA`: from a folder to a run with its report, stopped and gone on with."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from squares import write_squares

from edgessd.commands.cli import run as run_command
from edgessd_training.recipe import Start
from edgessd_training.run.folder import RunFolder
from edgessd_training.run.plan import SIZES, input_size, knows

QUICK = ["--set", "network.input_size=96", "--set", "epochs=1", "--set", "evaluation.every=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO folder of 24 pictures, one of them broken."""
    place = tmp_path_factory.mktemp("own") / "squares"
    write_squares(place, 24)
    (place / "images" / "004.png").write_bytes(b"no picture")
    return place


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "squares"
    assert run_command(["train", str(folder), "--out", str(out), *QUICK]) == 0
    return out


def test_a_folder_is_enough(done: Path) -> None:
    plan = json.loads((done / "plan.json").read_text())
    assert (done / "best.pt").is_file()
    assert plan["recipe"]["start"]["checkpoint"] == "picodet_s_voc_336"
    assert plan["recipe"]["network"]["input_size"] == 96  # what the user sets stays
    assert any("1 of 24 pictures left out" in line for line in plan["told"])
    assert any("held out to judge on" in line for line in plan["told"])
    assert any("on this machine" in line for line in plan["told"])


def test_the_report_stands_alone(done: Path) -> None:
    page = (done / "report.html").read_text()
    assert "broken image" in page
    assert page.count("data:image/png;base64,") == 4
    assert page.count("data:image/jpeg;base64,") >= 1
    assert not re.findall(r"<(?:img|a|link|script)[^>]*(?:src|href)=(?!'data:)", page)
    assert "edgessd deploy" in page


def test_the_next_commands_work_as_they_are(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a run to a model file, its mAP, and annotated pictures."""
    from edgessd_training.run.own_data import next_commands, read_plan

    folder = RunFolder(done)
    for line in next_commands(folder, read_plan(folder)):
        program, *arguments = shlex.split(line)
        assert program == "edgessd"
        assert run_command(arguments) == 0, capsys.readouterr().err
    assert "mAP (voc07)" in capsys.readouterr().out
    assert list((done / "deploy-cpu" / "pictures").glob("*.png"))


def test_a_stopped_run_says_how_to_go_on_and_does(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ["--set", "network.input_size=96", "--set", "epochs=500", "--set", "save.every_steps=1"]
    more += ["--set", "evaluation.every=1"]
    line = [sys.executable, "-m", "edgessd", "train", str(folder), "--out", str(out), *more]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        seen = ""
        for text in process.stdout:
            seen += text
            if text.startswith("epoch 1/"):
                process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        again = re.search(r"go on with: (.*)", seen)
        assert again, seen
    assert shlex.split(again[1])[:2] == ["edgessd", "train"]
    assert "--resume" in again[1]
    # The same line goes on; here until it has made some steps more.
    before = len((out / "steps.csv").read_text().splitlines())
    resumed = [sys.executable, "-m", *shlex.split(again[1])]
    with subprocess.Popen(resumed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if text.startswith("epoch "):
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        assert process.wait(120) == 130
    rows = [row.split(",")[0] for row in (out / "steps.csv").read_text().splitlines()[1:]]
    assert len(rows) > before - 1
    assert rows == [str(number) for number in range(len(rows))]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nowhere"], "no folder or zip"),
        (["train", "recipe", "--data", "voc:x@train", "--out", "o"], "--data goes with --val"),
        (["train", "nowhere", "--resume"], "--resume needs the run's folder"),
        (["train", "recipe", "--data", "voc:x@train", "--val", "voc:x@val"], "needs --out"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(arguments) == 2
    assert said in capsys.readouterr().err


def test_only_a_start_that_has_all_labels_knows_them() -> None:
    start = Start(checkpoint="picodet_s_voc_336")
    assert knows(start, ("cat", "Dog"))
    assert not knows(start, ("cat", "raccoon"))
    assert not knows(Start(), ("cat",))
    assert not knows(Start(checkpoint="mine.pt"), ("cat",))


def test_small_boxes_ask_for_a_larger_input() -> None:
    assert input_size(np.full(100, 0.2)) == SIZES[0]
    assert input_size(np.array([0.2] * 95 + [0.01] * 5)) == SIZES[0]  # one in twenty may be lost
    assert input_size(np.full(100, 0.03)) == 416
    assert input_size(np.full(100, 0.001)) == SIZES[-1]
    assert input_size(np.zeros(0)) == SIZES[0]
