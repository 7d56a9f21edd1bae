"""The tiny model, frames for it, and the command as a function."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import disk_of_16_mb
from frames import blue_cell

from edgessd.commands.cli import run

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared" / "data"


@pytest.fixture
def tiny() -> Path:
    return HERE / "tiny.onnx"


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip("needs the shared test data, which only the developers' checkouts have")
    return SHARED


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video of 20 frames, 64x48, in which the blue cell (1, 2) appears in the second half."""
    path = tmp_path / "blue.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for index in range(20):
        writer.write(blue_cell(1, 2, height=48, width=64) if index >= 10 else np.zeros((48, 64, 3), np.uint8))
    writer.release()
    return path


@pytest.fixture
def edgessd(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command; return its exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB of its own."""
    with disk_of_16_mb(tmp_path / "disk") as place:
        yield place
