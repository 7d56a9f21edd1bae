"""``eval`` and ``label`` on a real Ray cluster of two nodes: the same to the digit, also where one node dies."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import ray_cluster

from edgessd.commands.cli import run
from edgessd.errors import DataError
from edgessd.model.postprocess import PostProcess
from edgessd.model.shipped import shipped
from edgessd_training.picture_workers import Seen, looking_here, looking_on_ray

pytest.importorskip("ray")
PHOTOGRAPHS = Path(__file__).parents[2] / "runtime" / "edgessd" / "photos"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster() as cluster:
        cluster.add_node(num_cpus=1)
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, one of which is cut off, two of which share the name of their labels."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "pictures").mkdir()
    for number in range(3):
        for photograph in PHOTOGRAPHS.glob("*.jpg"):
            (folder / "pictures" / f"{photograph.stem}{number}.jpg").write_bytes(photograph.read_bytes())
    (folder / "pictures" / "cut.jpg").write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes()[:3000])
    (folder / "pictures" / "cat1.jpeg").write_bytes((PHOTOGRAPHS / "motorbike.jpg").read_bytes())
    return folder


def edgessd(folder: Path, *arguments: str) -> str:
    """Run a command in a folder that is not the nodes', and return what it prints."""
    command = [sys.executable, "-m", "edgessd", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_label_writes_the_same_files(cluster: Any, folder: Path) -> None:
    one = ["label", str(folder / "pictures"), "--format", "voc", "--score", "0.2", "--out"]
    said = edgessd(folder, *one, "here")
    assert edgessd(folder, *one, "there", "--ray", cluster.address).replace("there", "here") == said
    assert "10 pictures labelled" in said
    assert files(folder / "there") == files(folder / "here")


def test_eval_gives_the_same_figures(cluster: Any, folder: Path) -> None:
    edgessd(folder, "label", "pictures", "--format", "coco", "--score", "0.5", "--out", "truth")
    one = ["eval", "--data", "coco:truth/annotations.json@truth/images", "--metric", "coco"]
    for place, more in (("here", []), ("there", ["--ray", cluster.address])):
        edgessd(folder, *one, "--json", f"{place}.json", "--detections", f"{place}.rows.json", *more)
    for name in ("{}.json", "{}.rows.json"):
        assert (folder / name.format("there")).read_bytes() == (folder / name.format("here")).read_bytes()
    assert (folder / "here.rows.json").stat().st_size > 1000


def test_a_node_that_dies_loses_no_picture(cluster: Any, folder: Path) -> None:
    dying = cluster.add_node(num_cpus=1)
    paths = [folder / "pictures" / "cut.jpg", *[folder / "pictures" / "cat0.jpg"] * 60]
    there: list[Seen | DataError] = []
    with looking_on_ray(shipped()["default"], cluster.address, backend="auto", settings=PostProcess(), size=1) as look:
        for seen in look(paths):
            there.append(seen)
            if len(there) == 20:
                cluster.remove_node(dying, allow_graceful=False)
    with looking_here(shipped()["default"], "auto", PostProcess()) as look:
        cut, cat = look(paths[:2])
    assert isinstance(cat, Seen)
    assert str(there[0]) == str(cut)
    assert len(there) == len(paths)
    for seen in there[1:]:
        assert isinstance(seen, Seen)
        assert (seen.height, seen.width) == (cat.height, cat.width)
        assert seen.found.boxes_xyxy.tobytes() == cat.found.boxes_xyxy.tobytes()
        assert seen.found.scores.tobytes() == cat.found.scores.tobytes()


def test_a_checkpoint_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", str(tmp_path / "best.pt"), "--data", "voc:x@y", "--ray", "local"]) == 2
    assert "a checkpoint runs in PyTorch, not on --ray" in capfd.readouterr().err
