"""The walls between the packages: what must not be loaded is not loaded."""

import subprocess
import sys

import pytest

from edgessd.util.extras import install_command

HEAVY = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "pycuda", "cuda")


@pytest.mark.parametrize(
    "code",
    [
        "import edgessd; edgessd.Detector, edgessd.ModelCard, edgessd.Detections, edgessd.PostProcess",
        "import edgessd.commands.cli; edgessd.commands.cli.build_app()",
        "import edgessd.streams, edgessd.sinks, edgessd.bench.measure",
    ],
    ids=["package", "command", "pipeline"],
)
def test_heavy_libraries_stay_unloaded(code: str) -> None:
    script = f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_needs_no_opencv() -> None:
    script = (
        "import sys; from edgessd.commands.cli import build_app; build_app(); "
        "assert 'cv2' not in sys.modules, 'cv2 was loaded'"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_missing_library_names_its_extra(capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "import sys; sys.modules['openvino'] = None\n"
        "from edgessd.util.extras import need\n"
        "from edgessd.errors import MissingExtra\n"
        "try: need('openvino', 'openvino')\n"
        "except MissingExtra as error: print(error)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert install_command("openvino") in capfd.readouterr().out
