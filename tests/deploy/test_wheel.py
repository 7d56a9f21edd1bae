"""The wheel is whole: built, installed outside the tree, it walks the commands of docs/tutorial/your-own-data.md."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from squares import write_squares

pytest.importorskip("torch", reason="needs the training package's libraries")
pytest.importorskip("onnxscript", reason="needs the export package's libraries")
pytest.importorskip("setuptools", reason="needs setuptools to build the wheel without a network")

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("runtime", "training", "export", "pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has edgessd from its wheel, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    listed = subprocess.run(["git", "ls-files", *BUILT_FROM], cwd=ROOT, capture_output=True, text=True, check=False)
    if not listed.stdout:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        copy = tree / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, tree]
    subprocess.run([*pip, *build], check=True, timeout=300)
    (wheel,) = folder.glob("edgessd-*.whl")
    venv.create(folder / "venv", with_pip=False)
    interpreter = folder / "venv" / "bin" / "python"
    install = ["--python", interpreter, "install", "--no-deps", "--no-index", wheel]
    subprocess.run([*pip, *install], check=True, timeout=300)
    (packages,) = (folder / "venv").glob("lib/python3*/site-packages")
    # Python reads no .pth files in folders that a .pth names, so the editable install stays behind.
    libraries = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    (packages / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return interpreter


def test_the_packages_come_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = "import edgessd, edgessd_training, edgessd_export as e; print(edgessd.__file__, e.__file__)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(Path(file).is_relative_to(python.parents[1]) for file in done.stdout.split())


def test_the_commands_of_your_own_data(python: Path, tmp_path: Path) -> None:
    """Short: one epoch of few small images, without ImageNet weights; INT8 of such a network means nothing."""
    data = write_squares(tmp_path / "squares", 6)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def edgessd(*words: str) -> str:
        command = [python.with_name("edgessd"), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"edgessd {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    changes = ("epochs=1", "batch_size=3", "start.backbone=''", "network.input_size=[96, 128]")
    short = [word for change in changes for word in ("--set", change)]
    edgessd("data", "check", data)
    edgessd("data", "show", data, "--recipe", "blood_cells", "--out", "sheet.png")
    edgessd("train", "ssdlite_mobilenet_v2", "--data", data, "--val", data, "--out", "runs/cells", *short)
    edgessd("eval", "runs/cells/best.pt", "--data", data)
    edgessd("export", "runs/cells/best.pt", "--out", "cells.onnx")
    edgessd("detect", str(tmp_path / "squares" / "images"), "--model", "cells.onnx", "--out", "drawn")
    edgessd("bench", "cells.onnx", str(tmp_path / "squares" / "images"), "--frames", "10")
    edgessd("info", "cells.onnx")
    edgessd("selftest", "default", "--backend", "onnxruntime")
    assert len(list((tmp_path / "drawn").iterdir())) == 6
