"""What is told where the library of an extra is absent."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "words", "extra"),
    [
        ("onnx", ["quantize", "a.pt", "--precision", "int8", "--calibration", "d", "--out", "a.onnx"], "export"),
        ("cv2", ["detect", "a.mp4"], "opencv-python"),
    ],
)
def test_an_absent_library_is_told_with_its_install(module: str, words: list[str], extra: str) -> None:
    pytest.importorskip("edgessd_export", reason="the verb is the export package's")
    program = (
        f"import sys; sys.modules[{module!r}] = None; from edgessd.commands.cli import run; sys.exit(run({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert extra in done.stderr
    assert len(done.stderr.splitlines()) == 1
