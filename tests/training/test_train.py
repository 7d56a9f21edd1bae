"""Whole runs on a tiny network and a few dozen small pictures."""

import csv
import json
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import write_squares

from edgessd.commands.cli import run as run_command
from edgessd.errors import DataError, InputError, TrainingError
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.networks import build
from edgessd_training.recipe import Hardware
from edgessd_training.recipe_file import read_recipe
from edgessd_training.run.hardware import channels_last, precision_on
from edgessd_training.run.train import train

RECIPE = """
name = "tiny"
epochs = 2
batch_size = 8
seed = 5
[network]
family = "ssdlite_mobilenet_v2"
width = 0.1
input_size = 96
[data]
workers = 0
[optimizer]
lr = 0.02
ema = 0.9
clip_norm = 5.0
[schedule]
kind = "cosine"
warmup_steps = 2
[hardware]
accelerator = "cpu"
[evaluation]
every = 10
[save]
every_steps = 3
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "train", 41)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def unbroken(data, recipe, tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "run"
    train_here(recipe, data, out)
    return out


def train_here(recipe: Path, data: str, out: Path, *changes: str, resume: bool = False) -> None:
    """One thread, as in the subprocesses: sums of floats depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(read_recipe(recipe, changes), data, data, out, resume=resume, folders=(Path(),))
    finally:
        torch.set_num_threads(threads)


def losses(out: Path) -> np.ndarray:
    with (out / "steps.csv").open(newline="") as file:
        return np.array([float(row["loss"]) for row in csv.DictReader(file)])


def weights(out: Path) -> dict:
    return torch.load(out / "last.pt", weights_only=True)["weights"]


def test_a_run_leaves_a_checkpoint_with_its_whole_origin(unbroken, data):
    checkpoint = load_checkpoint(unbroken / "best.pt")
    card = checkpoint.card
    assert card.labels == ("red", "blue")
    assert (card.height, card.width, card.activation) == (96, 96, "softmax")
    assert card.training["recipe"]["optimizer"]["momentum"] == 0.9  # a default, written out
    assert card.training["data"]["images"] == 41
    assert len(card.training["data"]["sha256"]) == 64
    assert card.training["versions"]["torch"] == torch.__version__
    assert card.metrics["voc07"]["metric"] == "voc07"
    assert len(losses(unbroken)) == 10
    assert json.loads((unbroken / "run.json").read_text())["recipe"]["epochs"] == 2
    for plot in ("loss", "metric", "precision_recall", "confusion"):
        assert (unbroken / f"{plot}.png").read_bytes()[:4] == b"\x89PNG"
    assert list((unbroken / "tensorboard").iterdir())


def test_killed_in_mid_epoch_and_resumed_gives_the_same_weights(data, recipe, unbroken, tmp_path):
    out = tmp_path / "run"
    killed_at_batch_8 = f"""
import os, signal, torch
from pathlib import Path
from edgessd_training.run import log
from edgessd_training.run.train import train
from edgessd_training.recipe_file import read_recipe
torch.set_num_threads(1)
append = log.Table.append
def append_or_die(table, row):
    append(table, row)
    if row.get("batch") == 8:
        os.kill(os.getpid(), signal.SIGKILL)
log.Table.append = append_or_die
train(read_recipe(Path({str(recipe)!r})), {data!r}, {data!r}, Path({str(out)!r}), resume=False, folders=())
"""
    done = subprocess.run([sys.executable, "-c", killed_at_batch_8], capture_output=True, timeout=240)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    state = torch.load(out / "state.pt", weights_only=True)
    assert state["progress"]["done"] == 6  # in the second epoch's five batches, three batches before the kill
    assert not (out / "last.pt").exists()
    train_here(recipe, data, out, resume=True)
    assert (losses(out) == losses(unbroken)).all()
    expected = weights(unbroken)
    assert all(torch.equal(value, expected[name]) for name, value in weights(out).items())


def test_an_epoch_whose_evaluation_failed_is_judged_when_the_run_resumes(data, recipe, unbroken, tmp_path, monkeypatch):
    """Also the last: without it the run would have no checkpoint. Curves that cannot be written end no run."""
    out = tmp_path / "run"

    def fail(run, epoch):
        raise MemoryError

    def no_room(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", no_room)
    with monkeypatch.context() as patch:
        patch.setattr("edgessd_training.run.train.judge", fail)
        with pytest.raises(MemoryError):
            train_here(recipe, data, out, "evaluation.every=2")
    assert len(losses(out)) == 10
    assert not (out / "last.pt").exists()
    train_here(recipe, data, out, "evaluation.every=2", resume=True)
    expected = weights(unbroken)
    assert all(torch.equal(value, expected[name]) for name, value in weights(out).items())
    with (out / "epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["batch"]) for row in rows] == [("2", "9")]
    assert float(rows[0]["loss"]) == pytest.approx(losses(out)[5:].mean())
    train_here(recipe, data, out, "evaluation.every=2", resume=True)  # nothing is left to do
    assert len((out / "epochs.csv").read_text().splitlines()) == 2


def test_a_stopped_run_says_how_to_go_on(data, recipe, tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("edgessd_training.run.train.judge_and_log", stop)
    out = str(tmp_path / "run")
    command = ["train", str(recipe), "--data", data, "--val", data, "--out", out, "--set", "epochs=1"]
    assert run_command(command) == 130
    assert f"go on with: edgessd {shlex.join(command)} --resume\n" in capsys.readouterr().out


def test_two_processes_follow_the_curve_of_one(data, recipe, tmp_path):
    # Batch norm is frozen: with random weights this small network blows 1e-7 of rounding up to 1e-3 within a step.
    changes = ["epochs=4", "optimizer.freeze_bn=true", "evaluation.every=100", "augment.plain_epochs=4"]
    changes += ["optimizer.lr=0.2"]
    train_here(recipe, data, tmp_path / "one", *changes)
    command = [sys.executable, "-m", "edgessd", "train", str(recipe), "--data", data, "--val", data]
    command += ["--out", str(tmp_path / "two")]
    for change in (*changes, "hardware.devices=2"):
        command += ["--set", change]
    done = subprocess.run(command, capture_output=True, timeout=300, env=one_thread())
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 20
    assert np.abs(one - two).max() < 1e-3
    assert one[:5].mean() - one[-5:].mean() > 0.1  # and the curve is worth comparing: it falls


SYNC_NORM = """
import os, sys, torch
from torch import distributed as dist, nn
from edgessd_training.loop.sync_norm import SyncNorm
rank = int(sys.argv[1])
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[2])
dist.init_process_group("gloo", rank=rank, world_size=2)
torch.manual_seed(0)
maps, weights = 3 * torch.randn(6, 5, 3, 4) + 7, torch.randn(6, 5, 3, 4)
whole, own = nn.BatchNorm2d(5), SyncNorm(5)
mine = slice(0, 3) if rank == 0 else slice(3, 6)
first, second = maps.clone().requires_grad_(), maps[mine].clone().requires_grad_()
expected, got = whole(first), own(second)
(expected * weights).sum().backward()
(got * weights[mine]).sum().backward()
torch.testing.assert_close(got, expected[mine], rtol=0, atol=1e-5)
torch.testing.assert_close(second.grad, first.grad[mine], rtol=0, atol=1e-5)
torch.testing.assert_close(own.running_mean, whole.running_mean)
torch.testing.assert_close(own.running_var, whole.running_var)
"""


def test_synchronised_norm_of_two_processes_is_that_of_the_whole_batch():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    both = [
        subprocess.Popen([sys.executable, "-c", SYNC_NORM, str(rank), port], stderr=subprocess.PIPE) for rank in (0, 1)
    ]
    for process in both:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint.decode()[-2000:]


def one_thread():
    import os

    return {**os.environ, "OMP_NUM_THREADS": "1"}


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(data, recipe, tmp_path):
    changes = ("optimizer.lr=1000", "optimizer.clip_norm=0", "schedule.kind=constant", "schedule.warmup_steps=0")
    with pytest.raises(TrainingError, match="is not finite") as caught:
        train_here(recipe, data, tmp_path / "run", *changes, "epochs=20", "evaluation.every=100")
    (path,) = (tmp_path / "run").glob("nonfinite_batch_*_rank_0.pt")
    assert str(path) in str(caught.value)
    kept = torch.load(path, weights_only=True)
    assert kept["images"].shape == (8, 96, 96, 3)
    assert len(kept["file_names"]) == 8


def test_accumulated_batches_give_one_step(data, recipe, tmp_path):
    train_here(recipe, data, tmp_path / "run", "optimizer.accumulate=2", "epochs=1", "optimizer.freeze_convolutions=3")
    with (tmp_path / "run" / "steps.csv").open(newline="") as file:
        rates = [row["lr"] for row in csv.DictReader(file)]
    assert rates[0] == rates[1] != rates[2] == rates[3]


@pytest.mark.parametrize(
    "changes",
    [
        ("loss.scores=focal", "network.activation=sigmoid", "loss.boxes=giou", "optimizer.kind=adamw"),
        ("loss.boxes=ciou", "augment.multi_scale=[96, 128]", "augment.mosaic=1.0", "augment.plain_epochs=1"),
        (
            "hardware.precision=bf16",
            "hardware.channels_last=true",
            "network.input_size=260",  # where no map of one cell comes before another
            "optimizer.freeze_bn=true",
            "optimizer.clip_norm=1.0",  # frozen at the start, batch norm tames nothing
            "data.cache=true",
        ),
    ],
    ids=["focal giou adamw", "ciou multi-scale mosaic", "bf16 channels-last frozen"],
)
def test_every_alternative_trains(data, recipe, tmp_path, changes):
    train_here(recipe, data, tmp_path / "run", *changes, "epochs=2", "optimizer.lr=0.002")
    assert np.isfinite(losses(tmp_path / "run")).all()


def test_fine_tuning_reuses_the_rows_of_known_classes(unbroken, data, recipe, tmp_path):
    label_map = tmp_path / "map.json"
    label_map.write_text('{"red": "blue"}')
    from edgessd_training.run.start import classifiers, start_network

    changes = [f"start.checkpoint={unbroken / 'last.pt'}", f"start.label_map={label_map}"]
    network, _, notes = start_network(read_recipe(recipe, changes), ("green", "blue"), (Path(),))
    source = load_checkpoint(unbroken / "last.pt").network
    assert notes == ["weights from last.pt, classifiers of 1 of 2 classes reused"]
    for own, theirs in zip(classifiers(network), classifiers(source), strict=True):
        own_rows, their_rows = (layer.weight.unflatten(0, (6, 3)) for layer in (own, theirs))
        assert torch.equal(own_rows[:, 0], their_rows[:, 0])  # background
        assert torch.equal(own_rows[:, 2], their_rows[:, 1])  # blue, from red
        assert not torch.equal(own_rows[:, 1], their_rows[:, 2])
    assert torch.equal(network.location.predictors[0][1].weight, source.location.predictors[0][1].weight)


def test_a_top_down_neck_goes_on_from_a_detector_without_one(unbroken, data, recipe, tmp_path):
    best = unbroken / "best.pt"
    changes = (f"start.checkpoint={best}", "network.neck=top_down", "epochs=1", "optimizer.lr=0.0", "start.keep=0.0")
    train_here(recipe, data, tmp_path / "run", *changes, "optimizer.ema=0", "optimizer.freeze_bn=true")
    before, after = (load_checkpoint(path / "best.pt").network for path in (unbroken, tmp_path / "run"))
    image = torch.randint(0, 256, (1, 96, 96, 3), dtype=torch.uint8)
    assert len(after.neck.carry) == 3
    for expected, found in zip(before.eval()(image), after.eval()(image), strict=True):
        torch.testing.assert_close(found, expected)
    with pytest.raises(InputError, match="has the neck top_down, the recipe's network None"):
        train_here(recipe, data, tmp_path / "without", f"start.checkpoint={tmp_path / 'run' / 'best.pt'}")


def test_bf16_on_a_cpu_that_imitates_it_warns(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("edgessd_training.run.hardware.bf16_is_fast", lambda device: False)
    missing = f"coco:{tmp_path}/none.json@{tmp_path}"
    command = ["train", str(recipe), "--data", missing, "--val", missing, "--out", str(tmp_path / "run")]
    assert run_command([*command, "--set", "hardware.precision=bf16"]) == 2
    assert "hardware.precision=auto" in capsys.readouterr().err


def test_wrong_starts_are_refused(unbroken, data, recipe, tmp_path):
    for changes, complaint in (
        ((f"start.checkpoint={unbroken / 'last.pt'}", "network.width=0.2"), "the recipe's network"),
        (("start.checkpoint=missing.pt",), "no weights at 'missing.pt'"),
        (("loss.scores=focal",), "trains a sigmoid network"),
        (("hardware.precision=16",), "needs a GPU"),
        (("batch_size=64",), "is more than the 41 images"),
    ):
        with pytest.raises(InputError) as caught:
            train_here(recipe, data, tmp_path / "run", *changes)
        assert complaint in str(caught.value)


def test_a_folder_with_a_run_is_continued_only_on_request(unbroken, data, recipe, tmp_path):
    with pytest.raises(InputError, match="already holds a run"):
        train_here(recipe, data, unbroken)
    with pytest.raises(InputError, match=r"optimizer\.lr differs"):
        train_here(recipe, data, unbroken, "optimizer.lr=0.5", resume=True)
    with pytest.raises(InputError, match="nothing to resume"):
        train_here(recipe, data, tmp_path / "none", resume=True)
    other = write_squares(tmp_path / "other", 47, seed=1)
    with pytest.raises(InputError, match="the data is not what"):
        train_here(recipe, other, unbroken, resume=True)


def test_data_show_draws_a_sheet(data, recipe, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    assert run_command(["data", "show", data, "--out", str(out), "--recipe", str(recipe), "--count", "7"]) == 0
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert run_command(["data", "show", data, "--out", str(tmp_path / "sheet.gif")]) == 2
    assert "--out must end in .png" in capsys.readouterr().err


def test_a_data_set_that_does_not_exist_is_named(recipe, tmp_path):
    with pytest.raises(DataError, match="no annotation file"):
        train_here(recipe, f"coco:{tmp_path}/none.json@{tmp_path}", tmp_path / "run")


def test_auto_is_bf16_only_where_it_is_fast(monkeypatch):
    settings = Hardware(precision="auto")
    for fast, expected in ((True, "bf16"), (False, "32")):
        monkeypatch.setattr("edgessd_training.run.hardware.bf16_is_fast", lambda device, fast=fast: fast)
        assert precision_on(settings, "cpu") == expected
        assert precision_on(Hardware(precision="bf16"), "cpu") == "bf16"


def test_a_gradient_that_pytorch_gets_wrong_is_refused_or_avoided(data, recipe, tmp_path, monkeypatch):
    wrong = ("hardware.precision=bf16", "hardware.channels_last=true")
    with pytest.raises(InputError, match=r"two of a network's maps have one cell, as at 96x96: set"):
        train_here(recipe, data, tmp_path / "run", *wrong)
    with pytest.raises(InputError, match=r"as at 128x128: .* raise augment\.multi_scale"):
        train_here(recipe, data, tmp_path / "run", *wrong, "network.input_size=260", "augment.multi_scale=[128, 260]")
    monkeypatch.setattr("edgessd_training.run.hardware.bf16_is_fast", lambda device: True)
    left = replace(read_recipe(recipe), hardware=Hardware(precision="auto", channels_last=True))
    networks = [build({**left.network, "classes": 2, "input_size": size}) for size in (96, 300)]
    assert not channels_last(left, torch.device("cpu"), networks)
    assert channels_last(left, torch.device("cpu"), networks[1:])
