"""The shipped files in OpenCV's own DNN module: the boxes of ONNX Runtime, in this OpenCV and in 4.12."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

import edgessd
from edgessd import Detector
from edgessd.model.card import card_of
from edgessd.model.shipped import shipped

SCRIPT = Path(__file__).parents[1] / "opencv_dnn.py"
PHOTOS = sorted(map(str, (Path(edgessd.__file__).parent / "photos").glob("*.jpg")))
OWN = "this environment's"
FIRST = (4, 9)  # 4.8 reads the files and computes something else
# Scores and pixels by which the engines' boxes may differ. Of int8 every engine sums and rounds in its own way.
TOLERANCE = {"fp32": (1e-3, 0.1), "fp16": (0.01, 2.0), "int8": (0.15, 25.0)}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function from a version of OpenCV to the environment that has it, installed where that can be."""

    @functools.cache
    def made(version: str) -> dict[str, str]:
        if version == OWN:
            if tuple(map(int, cv2.__version__.split(".")[:2])) < FIRST:
                pytest.skip(f"OpenCV {cv2.__version__} misreads the files")
            return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        folder = tmp_path_factory.mktemp("opencv")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        done = subprocess.run([*command, f"opencv-python-headless=={version}"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"pip cannot install OpenCV {version} here")
        return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}

    return made


@pytest.mark.parametrize("version", [OWN, "4.12.0.88"])
@pytest.mark.parametrize("name", [name for name in shipped() if not name.endswith("_tensorrt")])  # not for engines
def test_opencv_finds_what_onnx_runtime_finds(environment: Any, name: str, version: str) -> None:
    command = [sys.executable, str(SCRIPT), name, *PHOTOS]
    done = subprocess.run(command, env=environment(version), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert version == OWN or version.startswith(told["opencv"])
    scores, pixels = TOLERANCE[card_of(shipped()[name]).precision]
    with Detector(name, backend="onnxruntime", threads=1) as detector:
        for photo, found in zip(PHOTOS, told["found"], strict=True):
            expected = detector.detect(cv2.imread(photo)).as_json(detector.card.labels)
            assert [row["label"] for row in found] == [row["label"] for row in expected], photo
            for ours, theirs in zip(expected, found, strict=True):
                assert theirs["score"] == pytest.approx(ours["score"], abs=scores)
                assert theirs["box"] == pytest.approx(ours["box"], abs=pixels)
