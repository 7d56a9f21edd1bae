"""The files in the box, as any other reader of ONNX meets them."""

from pathlib import Path

import onnx
import pytest

from edgessd.model.shipped import shipped


@pytest.mark.parametrize("path", shipped().values(), ids=shipped())
def test_every_shipped_file_passes_the_full_check(path: Path) -> None:
    onnx.checker.check_model(onnx.load(path), full_check=True)
