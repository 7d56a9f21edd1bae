"""The model repository of `edgessd deploy --for triton`, in NVIDIA's own server; and `edgessd detect --url`."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from servers.cameras import eventually
from servers.triton_server import Triton, triton, triton_python
from small_network import small_checkpoint

from edgessd import Detector
from edgessd.commands.cli import run
from edgessd.errors import InputError
from edgessd.model.card import card_of, loads
from edgessd.sources import read_image
from edgessd_training.checkpoint import save_checkpoint

CLIENT = Path(__file__).parents[1] / "servers/triton_client.py"
PHOTOS = Path(__file__).parents[2] / "runtime/edgessd/photos"
CAT = PHOTOS / "cat.jpg"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton")
    network = small_checkpoint("sigmoid", 7)
    save_checkpoint(folder / "net.pt", network.network, network.description, network.card)
    assert run(["deploy", str(folder / "net.pt"), "--for", "triton", "--out", str(folder / "out"), "--no-build"]) == 0
    return folder / "out/model_repository"


@pytest.fixture(scope="module")
def model(repository: Path) -> Path:
    return next(repository.glob("*/1/model.onnx"))


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Triton]:
    with triton(repository, repository.parent / "server.log") as running:
        yield running


@pytest.fixture
def url(server: Triton, repository: Path) -> str:
    if server.running is None:
        server.start()
    return f"triton://127.0.0.1:{server.http}/{pictures_model(repository)}"


def pictures_model(repository: Path) -> str:
    (name,) = (path.name for path in repository.iterdir() if path.name.endswith("_pictures"))
    return name


def client(*arguments: object) -> Any:
    command = [str(triton_python()), str(CLIENT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_both_configurations_are_of_tritons_schema(repository: Path, model: Path) -> None:
    names = sorted(path.name for path in repository.iterdir())
    configs = client("schema", *(repository / name / "config.pbtxt" for name in names))
    card = card_of(model)
    for name, config in zip(names, configs, strict=True):
        assert config["name"] == name
        assert config["max_batch_size"] == 8
        assert "dynamic_batching" in config
        outputs = {output["name"]: output for output in config["output"]}
        assert set(outputs) == set(card.outputs)
        assert outputs["boxes"]["dims"] == [str(card.kept), "4"]
        assert outputs["count"]["dims"] == ["1"]
        assert loads(config["parameters"]["edgessd"]["string_value"], where=name) == card
    network, pictures = configs
    assert network["platform"] == "onnxruntime_onnx"
    assert network["input"][0]["dims"] == [str(card.height), str(card.width), "3"]
    assert network["output"][-1]["reshape"] == {}  # count has no dimension but the batch
    assert pictures["backend"] == "python"
    assert all(each["optional"] for each in pictures["input"])


def test_a_picture_and_a_frame_get_the_networks_boxes_over_http_and_grpc(
    server: Triton, repository: Path, model: Path, url: str
) -> None:
    found = client("ask", server.http, server.grpc, pictures_model(repository), CAT)
    with Detector(model) as detector:
        card = detector.card
        image = cv2.resize(read_image(CAT), (card.width, card.height), interpolation=cv2.INTER_LINEAR_EXACT)
        outputs = dict(zip(card.outputs, detector.backend.infer(image[None]), strict=True))
    assert int(outputs["count"][0]) > 0
    for answers in found.values():
        for name in ("picture", "image", "batch"):
            for key, expected in outputs.items():
                np.testing.assert_allclose(np.array(answers[name][key])[0], expected[0], rtol=0, atol=1e-5)
        assert np.array(answers["batch"]["count"]).shape == (2, 1)


def test_wrong_shapes_types_and_pictures_are_refused_in_words(server: Triton, repository: Path, url: str) -> None:
    found = client("ask", server.http, server.grpc, pictures_model(repository), CAT)
    words = {
        "no batch": "unexpected shape for input 'image'",
        "two channels": "unexpected shape for input 'image'",
        "floats": "data-type is 'FP32'",
        "too many": "batch-size must be <= 8",
        "both": "a request has image or picture",
        "no picture": "is not an image that OpenCV reads",
        "half a picture": "the picture is cut off",
        "unknown": "unexpected inference input 'frame'",
    }
    for answers in found.values():
        assert set(answers["refused"]) == set(words)
        for name, text in words.items():
            assert text in answers["refused"][name]


def test_a_thousand_requests_of_64_clients_are_all_answered_and_counted(
    server: Triton, repository: Path, url: str
) -> None:
    def metric(name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))

    images, calls = metric("nv_inference_count"), metric("nv_inference_exec_count")
    counts = client("many", server.http, pictures_model(repository), CAT, 1024, 64)
    assert len(counts) == 1024
    assert len(set(counts)) == 1
    assert metric("nv_inference_count") - images == 1024
    assert metric("nv_inference_exec_count") - calls < 1024  # dynamic batches


def test_detect_by_url_finds_what_the_file_finds(url: str, model: Path, tmp_path: Path) -> None:
    for place, option, text in (("served", "--url", url), ("file", "--model", str(model))):
        assert run(["detect", str(PHOTOS), option, text, "--score", "0.1", "--jsonl", str(tmp_path / place)]) == 0
    served, file = ([json.loads(line) for line in (tmp_path / n).read_text().splitlines()] for n in ("served", "file"))
    assert [row["detections"] for row in served] == [row["detections"] for row in file]
    assert sum(len(row["detections"]) for row in file) > 0


def test_a_server_that_is_killed_is_told_once_and_waited_for(
    server: Triton, url: str, model: Path, tmp_path: Path
) -> None:
    video = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 30, (160, 90))
    random = np.random.default_rng(3)
    for _ in range(400):
        coarse = random.integers(0, 256, size=(6, 9, 3), dtype=np.uint8)
        writer.write(cv2.resize(coarse, (160, 90)))
    writer.release()
    rows = tmp_path / "rows"
    command = [sys.executable, "-m", "edgessd", "detect", str(video), "--url", url, "--jsonl", str(rows)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: rows.exists() and rows.read_text().count("\n") > 20, 60)
    server.kill()
    time.sleep(1.5)
    before = rows.read_text().count("\n")
    assert running.poll() is None
    server.start()
    assert running.stderr is not None
    said = running.communicate(timeout=120)[1]
    assert running.returncode == 0, said
    assert before < 400
    assert rows.read_text().count("\n") == 400
    assert said.count("asked again until it answers") == 1, said
    assert said.count("answers again after") == 1, said


def test_an_interrupt_ends_the_wait_for_a_server(server: Triton, url: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2000):
        (folder / f"{number}.jpg").symlink_to(CAT)
    rows = tmp_path / "rows"
    command = [sys.executable, "-m", "edgessd", "detect", str(folder), "--url", url, "--jsonl", str(rows)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: rows.exists() and rows.read_text(), 60)
    server.kill()
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == 130, said
    assert "Traceback" not in said


def test_a_model_that_is_not_there_is_named_with_those_that_are(server: Triton, repository: Path, url: str) -> None:
    with pytest.raises(
        InputError, match=f"has no such model .*: models that are ready there: '{pictures_model(repository)}'"
    ):
        Detector(f"triton://127.0.0.1:{server.http}/other")
    with pytest.raises(InputError, match="runs on its server"):
        Detector(url, backend="openvino")
