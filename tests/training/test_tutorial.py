"""The four commands of the tutorial, taken from its page, lead from a folder to a camera."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "your-own-data.md"
TRIAL = ["--set", "epochs=1", "--set", "network.input_size=96"]  # of the command that trains alone; the page names it


def four_commands() -> list[list[str]]:
    block = re.search(r"## The four commands\n\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    return [shlex.split(line) for line in block[1].splitlines()]


def write_bccd(place: Path) -> None:
    """A VOC folder of 20 pictures of one cell each, one of them broken, as the page's data set is laid out."""
    rng = np.random.default_rng(1)
    for part in ("Annotations", "JPEGImages"):
        (place / part).mkdir(parents=True)
    for number in range(20):
        picture = rng.integers(150, 200, (96, 128, 3)).astype(np.uint8)
        x, y = int(rng.integers(30, 98)), int(rng.integers(30, 66))
        cv2.circle(picture, (x, y), 20, (40, 40, 200), -1)
        cv2.imwrite(str(place / "JPEGImages" / f"{number:03}.jpg"), picture)
        box = f"<xmin>{x - 20}</xmin><ymin>{y - 20}</ymin><xmax>{x + 20}</xmax><ymax>{y + 20}</ymax>"
        (place / "Annotations" / f"{number:03}.xml").write_text(
            f"<annotation><filename>{number:03}.jpg</filename><size><width>128</width><height>96</height><depth>3</depth>"
            f"</size><object><name>cell</name><bndbox>{box}</bndbox></object></annotation>"
        )
    (place / "JPEGImages" / "003.jpg").write_bytes(b"no picture")


def write_clip(path: Path, picture: Path) -> None:
    """What the camera would show, which CI does not have."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (128, 96))
    for _ in range(5):
        writer.write(cv2.imread(str(picture)))
    writer.release()


def run(command: list[str], folder: Path) -> str:
    assert command[0] == "edgessd"
    done = subprocess.run(
        [sys.executable, "-m", "edgessd", *command[1:]],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tutorial")
    write_bccd(place / "BCCD")
    write_clip(place / "clip.mp4", place / "BCCD" / "JPEGImages" / "000.jpg")
    return place


def test_they_lead_from_a_folder_to_a_camera(folder: Path) -> None:
    train, deploy, pictures, camera = four_commands()
    told = run([*train, *TRIAL], folder)
    assert "1 of 20 pictures left out" in told
    assert shlex.join(deploy) in told  # what the run says comes next is what the page says
    run(deploy, folder)
    assert (folder / "runs/BCCD/deploy-cpu/model.onnx").is_file()
    run(pictures, folder)
    assert len(list((folder / "annotated").glob("*.jpg"))) == 19
    assert camera[2] == "0"
    assert run(["clip.mp4" if word == "0" else word for word in camera], folder)
