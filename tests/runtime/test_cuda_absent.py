"""A machine without CUDA: nothing breaks, and everything that needs CUDA says so."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgessd.detector import Detector
from edgessd.errors import InputError

Command = Callable[..., tuple[int, str, str]]
# libcuda.so.1 and both libraries are hidden, so this holds on a machine with a GPU too.
HIDDEN = """
import ctypes, sys
real = ctypes.CDLL
def without_cuda(name, *rest, **named):
    if str(name).startswith("libcuda"):
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")
    return real(name, *rest, **named)
ctypes.CDLL = without_cuda
sys.modules["pycuda"] = sys.modules["cuda"] = sys.modules["tensorrt"] = None
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code in a process that finds no CUDA."""
    command = [sys.executable, "-c", HIDDEN + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_import_and_a_cpu_verb_touch_no_cuda(tiny: Path) -> None:
    done = run(
        "import edgessd.commands.cli\n"
        "code = edgessd.commands.cli.run(['info', sys.argv[1]])\n"
        "ours = [f'edgessd.backends.cuda.{name}' for name in ('py_cuda', 'bindings')]\n"
        "heavy = ('pycuda', 'tensorrt', 'tensorrt_rtx', 'cuda', *ours)\n"
        "found = [name for name in heavy if sys.modules.get(name)]\n"
        "print('loaded:', found)\n"
        "sys.exit(code)",
        tiny,
    )
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout


def test_a_model_is_detected_with_on_the_cpu(tiny: Path) -> None:
    done = run(
        "import numpy as np\n"
        "from edgessd import Detector\n"
        "with Detector(sys.argv[1], backend='onnxruntime') as detector:\n"
        "    print(len(detector.detect(np.zeros((24, 32, 3), np.uint8))))",
        tiny,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"


def test_tensorrt_says_what_is_missing(tiny: Path) -> None:
    done = run(
        "from edgessd.commands.cli import run\nsys.exit(run(['selftest', sys.argv[1], '--backend', 'tensorrt']))",
        tiny,
    )
    assert done.returncode == 1
    assert "no NVIDIA driver here (libcuda.so.1 cannot be loaded)" in done.stdout


def test_the_driver_layer_names_what_to_install() -> None:
    done = run(
        "from edgessd.backends.cuda import open_driver\n"
        "from edgessd.backends.cuda.errors import NoCuda\n"
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "import edgessd.backends.cuda\n"
        "edgessd.backends.cuda.find_spec = lambda name: None\n"
        "try:\n"
        "    open_driver()\n"
        "except NoCuda as error:\n"
        "    print(error)"
    )
    assert "neither pycuda nor cuda-bindings is installed: pip install cuda-bindings" in done.stdout, done.stderr


def test_resizing_on_the_gpu_is_refused_elsewhere(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"needs the backend tensorrt, this model runs on onnxruntime"):
        Detector(tiny, backend="onnxruntime", gpu_resize=True)


def test_resizing_on_the_gpu_is_refused_by_every_verb(
    edgessd: Command, tiny: Path, video: Path, tmp_path: Path
) -> None:
    """``detect`` and ``bench`` by an option, ``run`` by a key; never quietly left out."""
    config = tmp_path / "streams.toml"
    start = f'[model]\npath = "{tiny}"\nbackend = "onnxruntime"\ngpu_resize = true\n'
    stream = f'[[streams]]\nname = "door"\nsource = "{video}"\n'
    config.write_text(start + stream)
    for arguments in (
        ("detect", video, "-m", tiny, "--backend", "onnxruntime", "--gpu-resize"),
        ("bench", tiny, video, "--backend", "onnxruntime", "--gpu-resize"),
        ("run", config, "--check"),
        ("run", config),
    ):
        code, _, err = edgessd(*arguments)
        assert (code, "needs the backend tensorrt" in err) == (2, True), arguments
    config.write_text(f"{start}[run]\nbatch = 4\n{stream}")
    code, _, err = edgessd("run", config, "--check")
    assert (code, "resizes single frames, got run.batch = 4" in err) == (2, True)
