"""What is told where the library of an extra is absent: a command that works, and never a stranger's package."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from edgessd.errors import MissingExtra
from edgessd.util import extras
from edgessd.util.extras import install_command, installed_from, libraries, need, pip_install

ROOT = Path(__file__).parents[2]
METADATA = """Metadata-Version: 2.4
Name: edgessd
Version: 0.1.0
Requires-Dist: numpy>=1.26
Requires-Dist: opencv-python>=4.8; extra == "cpu"
Requires-Dist: onnxruntime>=1.18; extra == "cpu"
Requires-Dist: edgessd[cpu]; extra == "train"
Requires-Dist: torch>=2.6; extra == 'train'
"""


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


def test_an_absent_module_names_the_command() -> None:
    with pytest.raises(MissingExtra) as caught:
        need("no_such_module", "cpu")
    assert caught.value.command == install_command("cpu")
    assert str(caught.value).endswith(install_command("cpu"))


def test_a_clone_is_installed_again_by_its_path() -> None:
    """The command of a run from a clone is one that pip reads: the clone's own path with the extra."""
    assert shlex.split(install_command("train,export"))[-2:] == ["-e", f"{ROOT}[train,export]"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of metadata that a copy outside any clone would have."""
    folder = tmp_path / "edgessd-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "lib/site-packages/edgessd/util/extras.py"))
    monkeypatch.setattr(extras, "distribution", lambda name: PathDistribution(folder))
    installed_from.cache_clear()
    yield folder
    installed_from.cache_clear()


def test_without_a_clone_the_libraries_are_named(installed: Path) -> None:
    assert libraries("train") == ["opencv-python>=4.8", "onnxruntime>=1.18", "torch>=2.6"]
    assert install_command("cpu") == pip_install("opencv-python>=4.8", "onnxruntime>=1.18")
    assert install_command("cpu").endswith("install 'opencv-python>=4.8' 'onnxruntime>=1.18'")


@pytest.mark.parametrize("kind", ["a clone", "edgessd-0.1.0-py3-none-any.whl"])
def test_a_copy_knows_where_it_came_from(installed: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / kind
    (installed / "direct_url.json").write_text(json.dumps({"url": place.as_uri()}))
    assert install_command("cpu") == pip_install("opencv-python>=4.8", "onnxruntime>=1.18")  # it is gone
    installed_from.cache_clear()
    if place.suffix:
        place.touch()
    else:
        place.mkdir()
        (place / "pyproject.toml").touch()
    assert shlex.split(install_command("cpu"))[-1] == f"{place}[cpu]"


def test_an_interpreter_outside_the_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.shutil, "which", lambda name: "/usr/bin/pip")
    assert pip_install("numpy<2") == f"{sys.executable} -m pip install 'numpy<2'"
    monkeypatch.setattr(extras.shutil, "which", lambda name: str(Path(sys.executable).with_name("pip")))
    assert pip_install("numpy<2") == "pip install 'numpy<2'"


def test_no_text_tells_to_install_a_stranger() -> None:
    """``pip install edgessd`` would fetch whoever takes the name: nothing in the tree says it."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not listed:
        pytest.skip("not a git checkout")
    stranger = re.compile(r"pip install [^\n`]*(?<![/.\w-])edgessd(?!-dev\b)(\[[\w,]+\])?['\"`\s]")
    found = [
        f"{name}: {line.strip()}"
        for name in listed
        if name.endswith((".py", ".md", ".sh", ".toml", ".txt", ".yml"))
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if stranger.search(f"{line} ") and " @ " not in line and name != "tests/runtime/test_extras.py"
    ]
    assert found == []
