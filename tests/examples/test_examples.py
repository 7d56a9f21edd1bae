"""Every example runs as its first lines say, as a program of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from frames import blue_cell
from squares import write_squares

from edgessd.bench.demo import write_clip

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
CAT = ROOT / "runtime/edgessd/photos/cat.jpg"
sys.path.append(str(ROOT / "tests/servers"))  # the cameras and the broker as processes


def run(name: str, *words: object, folder: Path, seconds: float = 300) -> str:
    """Return what an example printed."""
    command = [sys.executable, EXAMPLES / name, *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, 24)
    return path


def test_every_example_is_run_here_and_listed() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")} | {path.name for path in EXAMPLES.glob("*.ipynb")}
    tests = Path(__file__).read_text() + (Path(__file__).parent / "test_notebook.py").read_text()
    page = (EXAMPLES / "README.md").read_text()
    assert [name for name in sorted(names) if f'"{name}"' not in tests or f"]({name})" not in page] == []


def test_image(tmp_path: Path) -> None:
    assert "cat" in run("image.py", CAT, "annotated.jpg", folder=tmp_path)
    assert (cv2.imread(str(tmp_path / "annotated.jpg")) != cv2.imread(str(CAT))).any()


def test_video(tmp_path: Path, clip: Path) -> None:
    assert "cat" in run("video.py", clip, folder=tmp_path)


def test_several_cameras(tmp_path: Path, clip: Path) -> None:
    lines = run("several_cameras.py", f"door={clip}", f"yard={clip}", folder=tmp_path).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("yard ")] == [str(index) for index in range(24)]


def test_count_at_a_line(tmp_path: Path) -> None:
    """The cat's photograph, pulled to the right over a grey frame, crosses the middle once."""
    cat = cv2.resize(cv2.imread(str(CAT)), (300, 220))
    clip = cv2.VideoWriter(str(tmp_path / "walk.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, (800, 400))
    for left in range(0, 500, 8):
        frame = (blue_cell(0, 0, height=400, width=800) * 0 + 114).astype("uint8")
        frame[150:370, left : left + 300] = cat
        clip.write(frame)
    clip.release()
    printed = run("count_at_a_line.py", "walk.avi", "cat", folder=tmp_path).split()
    assert sorted(printed[1::2]) == ["0", "1"]


def test_with_supervision(tmp_path: Path) -> None:
    pytest.importorskip("supervision")
    assert "cat" in run("with_supervision.py", CAT, "annotated.jpg", folder=tmp_path)
    assert (tmp_path / "annotated.jpg").exists()


def test_custom_sink(tmp_path: Path, clip: Path) -> None:
    run("custom_sink.py", clip, "people.csv", folder=tmp_path)
    rows = (tmp_path / "people.csv").read_text().splitlines()
    assert rows[0] == "stream,frame,age_ms,people"
    assert len(rows) == 25


def test_ros2_message(tmp_path: Path) -> None:
    message = json.loads(run("ros2_message.py", CAT, "camera_link", folder=tmp_path))
    assert message["header"]["frame_id"] == "camera_link"
    (cat, *_) = message["detections"]
    assert cat["results"][0]["hypothesis"]["class_id"] == "cat"
    height, width = cv2.imread(str(CAT)).shape[:2]
    centre = cat["bbox"]["center"]["position"]
    assert 0 < centre["x"] < width
    assert 0 < centre["y"] < height


def test_rtsp_to_mqtt(tmp_path: Path) -> None:
    mqtt = pytest.importorskip("paho.mqtt.client")
    from cameras import broker, eventually, free_port, rtsp_camera

    heard: dict[str, str] = {}
    port, camera = free_port(), free_port()
    with broker(port, tmp_path), rtsp_camera(camera):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = lambda *args: heard.update({args[2].topic: args[2].payload.decode()})
        client.connect("127.0.0.1", port)
        client.subscribe("edgessd/#", qos=1)
        client.loop_start()
        address = f"rtsp://127.0.0.1:{camera}/live"
        words = [sys.executable, str(EXAMPLES / "rtsp_to_mqtt.py"), address, "127.0.0.1", str(port)]
        with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE) as running:
            live = eventually(lambda: '"live"' in heard.get("edgessd/door/state", ""), 60)
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=30)
        client.loop_stop()
    assert live, (heard, told)
    assert running.returncode == 0, told


def test_evaluate(tmp_path: Path) -> None:
    """On its own detections, written as the truth, a model has mAP 1."""
    pytest.importorskip("faster_coco_eval")
    height, width = cv2.imread(str(CAT)).shape[:2]
    box = json.loads(run("ros2_message.py", CAT, "x", folder=tmp_path))["detections"][0]["bbox"]
    centre = box["center"]["position"]
    left, top = centre["x"] - box["size_x"] / 2, centre["y"] - box["size_y"] / 2
    truth = {"image_id": 1, "category_id": 1, "bbox": [left, top, box["size_x"], box["size_y"]], "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": CAT.name, "height": height, "width": width}],
        "annotations": [{**truth, "id": 1, "area": box["size_x"] * box["size_y"]}],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (tmp_path / "cat.json").write_text(json.dumps(content))
    printed = run("evaluate.py", "default", f"coco:cat.json@{CAT.parent}", folder=tmp_path)
    assert "mAP (voc07) 1.0" in printed


def test_train(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    write_squares(tmp_path / "squares", 12)
    changes = ("epochs=1", "batch_size=4", "network.input_size=[96, 128]", "data.workers=0")
    printed = run("train.py", "squares", "run", "squares.onnx", *changes, folder=tmp_path, seconds=600)
    assert "squares.onnx finds blue red" in printed or "squares.onnx finds red blue" in printed
    assert (tmp_path / "run/report.html").exists()
