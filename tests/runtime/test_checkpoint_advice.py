"""A checkpoint given where a model belongs: the error names the command that makes the model of it."""

import os
from pathlib import Path

import pytest

from edgessd.commands.cli import run


def complaint(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["detect", "street.jpg", "--model", str(checkpoint)]) == 2
    return capsys.readouterr().err


def test_a_checkpoint_names_the_command_that_exports_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tmp_path / "my run" / "best.pt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    told = complaint(checkpoint, capsys)
    assert f"`edgessd export '{checkpoint}' --out '{checkpoint.with_suffix('.onnx')}'`" in told
    assert told.count("\n") == 1


def test_a_deployed_checkpoint_names_its_model_unless_it_is_older(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, model = tmp_path / "best.pt", tmp_path / "deploy-cpu" / "model.onnx"
    model.parent.mkdir()
    for path in (checkpoint, model):
        path.write_bytes(b"weights")
    os.utime(checkpoint, (1000, 1000))
    assert f"its deployed form is {model}" in complaint(checkpoint, capsys)
    os.utime(model, (500, 500))
    assert "edgessd export" in complaint(checkpoint, capsys)
