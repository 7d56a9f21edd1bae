"""The files in the box, as any other reader of ONNX meets them."""

from pathlib import Path

import onnx
import pytest

from edgessd.commands.cli import run
from edgessd.model.shipped import shipped


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_every_shipped_file_passes_the_full_check(path: Path) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_the_default_is_not_what_an_engine_is_built_of(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "default"]) == 2
    said = capfd.readouterr().err
    assert "made for a CPU" in said
    assert "edgessd build picodet_s_voc_352_fp16" in said
