"""``edgessd run`` where something is missing: its log says what and the next command; it goes on or gives up."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import fill_up
from servers.cameras import broker, eventually, free_port


def config(tmp_path: Path, tiny: Path, source: object, *, sink: str = "") -> Path:
    path = tmp_path / "streams.toml"
    start = f'model.path = "{tiny}"\nrun.log_format = "json"\n'
    path.write_text(f'{start}[[streams]]\nname = "door"\nsource = "{source}"\n[[sinks]]\n{sink}')
    return path


@contextmanager
def running(path: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield ``edgessd run`` as a process whose log goes to a file; it must still run, and end well when told to."""
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "edgessd", "run", str(path)], stderr=file)
    try:
        yield process
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def messages(log: Path) -> list[dict[str, object]]:
    """Return the lines of the log; OpenCV's own words between them are none."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_no_broker_is_told_and_waited_for(tmp_path: Path, tiny: Path, video: Path) -> None:
    """Also where nothing is ever found, so that there is nothing to publish."""
    pytest.importorskip("paho.mqtt.client")
    port, log = free_port(), tmp_path / "log"
    sink = f'type = "mqtt"\nhost = "127.0.0.1"\nport = {port}\nonly_detections = true\n'
    path = config(tmp_path, tiny, f"{video}?loop=1&pace=20", sink=sink)
    path.write_text(path.read_text().replace("run.log", "model.score = 0.99\nrun.log", 1))
    with running(path, log):
        assert eventually(lambda: "cannot be reached (nothing listens there)" in log.read_text(), 30)
        line = next(line for line in messages(log) if line.get("reason") == "broker-unreachable")
        assert "systemctl enable --now mosquitto; retrying" in str(line["message"])
        with broker(port, tmp_path):
            assert eventually(lambda: f"127.0.0.1:{port} connected" in log.read_text(), 40)


def test_a_camera_that_is_not_there_is_told_and_waited_for(tmp_path: Path, tiny: Path) -> None:
    log = tmp_path / "log"
    with running(config(tmp_path, tiny, "97", sink=f'type = "jsonl"\npath = "{tmp_path}/o.jsonl"\n'), log):
        assert eventually(lambda: "there is no /dev/video97" in log.read_text(), 30)
        # It is reported again after ten seconds, so the sink's second line proves that it goes on.
        assert eventually(lambda: (tmp_path / "o.jsonl").read_text().count("not found") >= 2, 30)
    line = next(line for line in messages(log) if line.get("reason") == "not found")
    assert "v4l2-ctl --list-devices" in str(line["message"])


def test_a_csi_camera_without_its_daemon_is_told(tmp_path: Path, tiny: Path) -> None:
    if Path("/tmp/argus_socket").exists():
        pytest.skip("this machine has a Jetson's camera daemon")
    log = tmp_path / "log"
    with running(config(tmp_path, tiny, "csi://0", sink=f'type = "jsonl"\npath = "{tmp_path}/o.jsonl"\n'), log):
        assert eventually(lambda: "sudo systemctl restart nvargus-daemon" in log.read_text(), 30)


@pytest.mark.parametrize("sink", ["jsonl", "video", "snapshots"])
def test_a_disk_that_is_full_at_the_start_ends_it(
    tmp_path: Path, tiny: Path, video: Path, small_disk: Path, sink: str
) -> None:
    (small_disk / "fill").write_bytes(bytes(12 << 20))
    place = f'path = "{small_disk}/o.jsonl"' if sink == "jsonl" else f'folder = "{small_disk}"'
    path = config(tmp_path, tiny, video, sink=f'type = "{sink}"\n{place}\n')
    done = subprocess.run([sys.executable, "-m", "edgessd", "run", str(path)], capture_output=True, text=True)
    assert done.returncode == 2
    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["level"], line["exit_code"]) == ("error", 2)
    assert f"the disk of {small_disk}" in line["message"]
    assert f"`df -h {small_disk}`" in line["message"]
    if sink != "jsonl":
        return
    done = subprocess.run(
        [sys.executable, "-m", "edgessd", "doctor", "--config", str(path), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 1
    found = next(one for one in json.loads(done.stdout)["findings"] if one["id"] == "disk-full")
    assert found["command"] == f"df -h {small_disk}"


def test_a_disk_that_becomes_full_is_told_and_waited_for(
    tmp_path: Path, tiny: Path, video: Path, small_disk: Path
) -> None:
    log, lines, fill = tmp_path / "log", small_disk / "o.jsonl", small_disk / "fill"
    path = config(tmp_path, tiny, f"{video}?loop=1&pace=200", sink=f'type = "jsonl"\npath = "{lines}"\n')
    with running(path, log):
        assert eventually(lambda: lines.exists() and lines.stat().st_size > 0, 30)
        with pytest.raises(OSError, match="No space left"):
            fill_up(fill)
        assert eventually(lambda: "No space left on device" in log.read_text(), 30)
        fill.unlink()
        size = lines.stat().st_size
        assert eventually(lambda: lines.stat().st_size > size + 4096, 30)
    line = next(line for line in messages(log) if line.get("sink") == "jsonl")
    assert f"cannot write {lines}" in str(line["message"])
    whole = [json.loads(text) for text in lines.read_text().splitlines()]
    assert len(whole) > 20


@pytest.mark.parametrize(("model", "words"), [("nowhere.onnx", "no model file"), ("text.onnx", "text.onnx")])
def test_a_model_that_cannot_be_read_ends_it(tmp_path: Path, video: Path, model: str, words: str) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    path = config(tmp_path, tmp_path / model, video, sink=f'type = "jsonl"\npath = "{tmp_path}/o.jsonl"\n')
    done = subprocess.run([sys.executable, "-m", "edgessd", "run", str(path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert words in json.loads(done.stderr.splitlines()[-1])["message"]
