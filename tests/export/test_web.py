"""The shipped files and the folder of `deploy --for web` in onnxruntime-web, under node and in a browser."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from servers.browser import chromium
from servers.cameras import free_port

import edgessd
from edgessd import Detector
from edgessd.commands.cli import run
from edgessd.detector import decoder_for
from edgessd.model.card import card_of
from edgessd.model.postprocess import REALTIME
from edgessd.model.preprocess import to_input
from edgessd.model.shipped import model_path, shipped
from edgessd_training.checkpoint import save_checkpoint
from edgessd_training.importers.exported import restore_checkpoint

PHOTO = Path(edgessd.__file__).parent / "photos" / "motorbike.jpg"
SCRIPT = Path(__file__).parents[1] / "run_in_node.mjs"
# Scores and pixels by which boxes may differ from ONNX Runtime's here. Of int8 every engine sums in its own way.
TOLERANCE = {"fp32": (1e-3, 0.1), "fp16": (0.01, 2.0), "int8": (0.15, 25.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model deployed for the web, and installed by the first command of its README."""
    if not (shutil.which("npm") and shutil.which("node")):
        missing("needs node and npm")
    made = tmp_path_factory.mktemp("web")
    restored = restore_checkpoint(model_path("default"))
    save_checkpoint(made / "c.pt", restored.network, restored.description, restored.card)
    assert run(["deploy", str(made / "c.pt"), "--for", "web", "--out", str(made / "web")]) == 0
    command = commands(made / "web")[0]
    assert command == "npm install"
    done = subprocess.run(command, shell=True, cwd=made / "web", capture_output=True, text=True)
    if done.returncode:
        missing(f"npm install failed: {done.stderr[-300:]}")
    return made / "web"


def missing(what: str) -> None:
    """Skip; where CI promised everything, fail."""
    if os.environ.get("EDGESSD_REQUIRE_SERVERS") == "1":
        pytest.fail(what)
    pytest.skip(what)


def commands(folder: Path) -> list[str]:
    return re.findall(r"^    (\S.*)$", (folder / "README.md").read_text(), re.MULTILINE)


def node(folder: Path, script: Path, *arguments: str) -> list[Any]:
    """Return the JSON of each line that a script prints in a folder."""
    command = ["node", str(script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return cv2.imread(str(PHOTO))


def expected_of(name: str | Path, frame: np.ndarray) -> list[dict[str, Any]]:
    with Detector(name, backend="onnxruntime", threads=1) as detector:
        return detector.detect(frame).as_json(detector.card.labels)


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]], precision: str = "fp32") -> None:
    scores, pixels = TOLERANCE[precision]
    assert expected
    assert [row["label"] for row in found] == [row["label"] for row in expected]
    for ours, theirs in zip(expected, found, strict=True):
        assert theirs["score"] == pytest.approx(ours["score"], abs=scores)
        assert theirs["box"] == pytest.approx(ours["box"], abs=pixels)


def test_the_shipped_files_run_under_node(folder: Path, frame: np.ndarray) -> None:
    models = sorted({str(path) for path in shipped().values()})
    cards = {model: card_of(Path(model)) for model in models}
    images = {
        model: {
            "dims": [1, card.height, card.width, 3],
            "bytes": base64.b64encode(to_input(frame, card.height, card.width).tobytes()).decode(),
        }
        for model, card in cards.items()
    }
    (folder / "images.json").write_text(json.dumps(images))
    script = Path(shutil.copy(SCRIPT, folder))
    for model, outputs in zip(models, node(folder, script, "images.json", *models), strict=True):
        card = cards[model]
        tensors = [
            np.frombuffer(base64.b64decode(outputs[name]["values"]), np.float32).reshape(outputs[name]["dims"])[0]
            for name in ("offsets", "scores")
        ]
        found = decoder_for(card, REALTIME)(*tensors, *frame.shape[:2]).as_json(card.labels)
        assert_same(found, expected_of(Path(model), frame), card.precision)


def test_the_readmes_own_program_finds_the_same(folder: Path, frame: np.ndarray) -> None:
    (snippet,) = re.findall(r"```js\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    card = card_of(model_path("default"))
    pixels = cv2.cvtColor(to_input(frame, card.height, card.width), cv2.COLOR_BGR2RGBA)
    pixels.tofile(folder / "pixels.bin")
    canvas = (
        'import { readFileSync } from "node:fs";\n'
        'const data = readFileSync("pixels.bin"), picture = null;\n'
        "const context = { drawImage() {}, getImageData: () => ({ data }) };\n"
    )
    (folder / "own.js").write_text(f"{canvas}{snippet}\nconsole.log(JSON.stringify(found));\n")
    (found,) = node(folder, folder / "own.js")
    height, width = frame.shape[:2]
    scaled = [{**row, "box": [e * s for e, s in zip(row["box"], (width, height) * 2, strict=True)]} for row in found]
    assert_same(scaled, expected_of("default", frame))


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    assert commands(folder)[1] == "python3 -m http.server"
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        time.sleep(1)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()


def test_the_page_draws_the_boxes_of_a_picture(address: str, frame: np.ndarray) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.on(
            "request", lambda request: request.url.startswith((address, "blob:", "data:")) or errors.append(request.url)
        )
        page.goto(address)
        page.wait_for_selector("#file:enabled")
        page.set_input_files("#file", str(PHOTO))
        page.wait_for_function("document.querySelector('#status').textContent.includes('found')")
        said = page.text_content("#status")
        size = page.evaluate("[view.width, view.height]")
        drawn = page.evaluate(
            "view.getContext('2d').getImageData(0, 0, view.width, view.height).data"
            ".reduce((sum, value, at, all) => sum + (at % 4 == 0 && value == 208 && all[at + 1] == 2), 0)"
        )
    assert errors == []
    assert said.startswith(f"{len(expected_of('default', frame))} found")
    assert size == [frame.shape[1], frame.shape[0]]
    assert drawn > 100
