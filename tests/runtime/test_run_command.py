import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.cameras import eventually, free_port, mjpeg_camera

from edgessd.config import config_from, read_config
from edgessd.errors import InputError
from edgessd.util import systemd

Edgessd = Callable[..., tuple[int, str, str]]
STREAM = {"name": "door", "source": "a.mp4"}


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "streams.toml"
    path.write_text(text)
    return path


def test_files_run_to_their_end(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    path = config(
        tmp_path,
        f"""
        [model]
        path = "{tiny}"
        score = 0.9
        classes = ["blue"]
        [model.thresholds]
        blue = 0.3
        [[streams]]
        name = "door"
        source = "{video}"
        [[streams]]
        name = "yard"
        source = "{video}"
        [[sinks]]
        type = "jsonl"
        path = "{tmp_path}/o.jsonl"
        [[sinks]]
        type = "csv"
        path = "{tmp_path}/o.csv"
        streams = ["yard"]
        """,
    )
    code, _, err = edgessd("run", path)
    assert code == 0, err
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    for name in ("door", "yard"):
        frames = [row for row in rows if row["source"] == name and "frame" in row and "detections" in row]
        assert [row["frame"] for row in frames] == list(range(20))
        assert [len(row["detections"]) for row in frames] == [0] * 10 + [1] * 10
        states = [row["state"] for row in rows if row["source"] == name and "state" in row]
        assert states[-1] == "ended"
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 11


def test_a_file_that_is_missing_is_told_at_the_end(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    path = config(tmp_path, f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "nowhere.mp4"')
    code, _, err = edgessd("run", path)
    assert (code, "nowhere.mp4" in err) == (2, True)


def test_check_says_what_would_run_and_no_password(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    path = config(
        tmp_path,
        f"""
        model.path = "{tiny}"
        [[streams]]
        name = "door"
        source = "rtsp://admin:${{DOOR_PASSWORD}}@10.0.0.5/live?channel=1"
        [[sinks]]
        type = "jsonl"
        path = "{tmp_path}/o.jsonl"
        """,
    )
    code, out, err = edgessd("run", path, "--check")
    assert (code, "DOOR_PASSWORD" in err) == (2, True)
    os.environ["DOOR_PASSWORD"] = "geheim"
    try:
        code, out, err = edgessd("run", path, "--check")
    finally:
        del os.environ["DOOR_PASSWORD"]
    assert code == 0, err
    assert "stream door: rtsp://10.0.0.5/live?channel=1" in out
    assert "sink jsonl: all streams" in out
    assert "geheim" not in out + err


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.mp4", "stream door: no video or image at nowhere.mp4"),
        ("{tiny}", "tiny.onnx is not a video"),
        ("{empty}", "holds no image"),
        ("{video}?pace=0", "pace must be"),
        ("{video}?loop=2", "loop is 0 or 1"),
        ("rtsp://10.0.0.5/live#via=ffmpg", "did you mean 'ffmpeg'"),
        ("rtsp://10.0.0.5/live#hwaccel=cuda", "add via=ffmpeg"),
        ("rtsp://10.0.0.5/live#read_timeout=-1", "read_timeout must be"),
        ("/dev/video0?width=-1", "width must be"),
    ],
)
def test_check_finds_what_no_stream_could_open(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path, source: str, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    source = source.format(tiny=tiny, video=video, empty=tmp_path / "empty")
    path = config(tmp_path, f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "{source}"\n')
    code, out, err = edgessd("run", path, "--check")
    assert (code, out) == (2, "")
    assert words in err
    assert "error: stream door: " in err


def many_streams(tiny: Path, source: object, count: int) -> str:
    tables = [f'[[streams]]\nname = "door{index}"\nsource = "{source}"' for index in range(count)]
    return "\n".join([f'model.path = "{tiny}"', *tables])


def test_more_streams_than_a_process_can_read_are_refused_at_once(
    edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path
) -> None:
    began = time.monotonic()
    code, _, err = edgessd("run", config(tmp_path, many_streams(tiny, video, 3000)), "--check")
    assert (code, "at most 1024 streams, got 3000" in err, "Traceback" in err) == (2, True, False)
    assert time.monotonic() - began < 30


def test_fewer_open_files_than_streams_are_told_at_once(tiny: Path, video: Path, tmp_path: Path) -> None:
    path = config(tmp_path, many_streams(tiny, video, 40))
    script = f"ulimit -n 40; exec {sys.executable} -m edgessd run {path}"
    err = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120).stderr
    assert "40 streams need as many open files, and this process may open 40: raise `ulimit -n`" in err


def test_a_stopped_process_does_not_blame_its_camera(tiny: Path, tmp_path: Path) -> None:
    port, lines = free_port(), tmp_path / "o.jsonl"
    times = "stale_after = 1\nhang_after = 1.5"
    text = f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "http://127.0.0.1:{port}/live"\n{times}\n'
    path = config(tmp_path, f'{text}[[sinks]]\ntype = "jsonl"\npath = "{lines}"\n')

    def states() -> list[tuple[str, str | None]]:
        rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
        return [(row["state"], row["reason"]) for row in rows if "state" in row]

    with mjpeg_camera(port, "--fps", 20):
        command = [sys.executable, "-m", "edgessd", "run", str(path)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            assert eventually(lambda: ("live", None) in states(), 60)
            process.send_signal(signal.SIGSTOP)
            time.sleep(4)
            before = lines.stat().st_size
            process.send_signal(signal.SIGCONT)
            assert eventually(lambda: lines.stat().st_size > before + 500, 20)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(20)
    assert {reason for _, reason in states()} <= {None, "stopped"}, states()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"streams": [STREAM], "model": {"scor": 0.3}}, "model has no key 'scor': did you mean 'score'"),
        ({"stream": [STREAM]}, "no table 'stream': did you mean 'streams'"),
        ({}, "no stream"),
        ({"streams": STREAM}, "two brackets"),
        ({"streams": [{"name": "door"}]}, "streams\\[0\\]: a stream has a source, or"),
        ({"streams": [{"name": "door", "detect_source": "0"}]}, "a detect_source and a record_source"),
        ({"streams": [{**STREAM, "record_source": "1"}]}, "a detect_source and a record_source"),
        ({"streams": [STREAM, STREAM]}, "two streams are named 'door'"),
        ({"streams": [{**STREAM, "name": "a/b"}]}, "letters, digits"),
        ({"streams": [{**STREAM, "policy": "lastest"}]}, "did you mean 'latest'"),
        ({"streams": [{**STREAM, "stale_after": -1}]}, "stale_after must be above 0"),
        ({"streams": [{**STREAM, "stale_after": "2"}]}, "streams\\[0\\].stale_after must be a number, got a text"),
        ({"streams": [STREAM], "run": {"workers": True}}, "a whole number, got true or false"),
        ({"streams": [STREAM], "run": {"workers": 0}}, "workers must be 1 to 256"),
        ({"streams": [STREAM], "run": {"log_format": "jsn"}}, "did you mean 'json'"),
        ({"streams": [STREAM], "model": {"thresholds": {"cat": "high"}}}, "model.thresholds.cat must be a number"),
        ({"streams": [STREAM], "model": {"classes": "cat"}}, "model.classes must be a list, got a text"),
        ({"streams": [STREAM], "sinks": [{}]}, "needs the key 'type'"),
        ({"streams": [STREAM], "sinks": [{"type": "mqt"}]}, "did you mean 'mqtt'"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "hots": "h"}]}, "did you mean 'host'"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "port": 0}]}, "port must be 1 to 65535"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "prefix": "a/#"}]}, "prefix"),
        ({"streams": [STREAM], "sinks": [{"type": "jsonl"}]}, "needs the key 'path'"),
        ({"streams": [STREAM], "sinks": [{"type": "jsonl", "path": "o", "max_mb": float("inf")}]}, "max_mb .* got inf"),
        ({"streams": [STREAM], "sinks": [{"type": "csv", "path": "o", "max_mb": float("nan")}]}, "max_mb .* got nan"),
        ({"streams": [STREAM], "sinks": [{"type": "csv", "path": "o", "keep": 10**5000}]}, "keep .* beyond all use"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "host": ""}]}, "host must be a host's name"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "host": "a" * 70}]}, "of up to 63 letters"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "prefix": "home/"}]}, "no '/' at an end"),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "password": "geheim"}]}, "needs the key 'user'"),
        ({"streams": [STREAM], "sinks": [{"type": "prometheus", "address": "a" * 70}]}, "of up to 63 letters"),
        (
            {"streams": [STREAM], "sinks": [{"type": "jsonl", "path": "x"}, {"type": "csv", "path": "./x"}]},
            "both write",
        ),
        ({"streams": [STREAM], "sinks": [{"type": "snapshots", "folder": "x"}] * 2}, "both write x"),
        (
            {"streams": [STREAM], "sinks": [{"type": "csv", "path": "x.2"}, {"type": "jsonl", "path": "x"}]},
            "both write x.2",
        ),
        ({"streams": [STREAM], "sinks": [{"type": "prometheus"}] * 2}, "both listen on port 9464"),
        (
            {"streams": [STREAM], "sinks": [{"type": "prometheus", "address": "0.0.0.0"}], "view": {"port": 9464}},
            "sinks\\[0\\] and view both listen on port 9464",
        ),
        ({"streams": [STREAM], "sinks": [{"type": "mqtt", "host": "h:1883"}]}, "host must be a host's name"),
        ({"streams": [STREAM], "sinks": [{"type": "csv", "path": "~/x.csv"}]}, "HOME"),
        (
            {"streams": [{**STREAM, "source": "a.mp4?pace=5"}], "sinks": [{"type": "csv", "path": "a.mp4"}]},
            "would be lost",
        ),
        ({"streams": [{**STREAM, "name": "../../x"}]}, "letters, digits"),
        (
            {"streams": [STREAM], "sinks": [{"type": "video", "folder": "v", "container": "avi"}]},
            "one of mkv, mp4, got .avi.",
        ),
        ({"streams": [STREAM], "sinks": [{"type": "webhook", "url": "ftp://u:geheim@h"}]}, "http"),
        ({"streams": [STREAM], "sinks": [{"type": "csv", "path": "o", "streams": ["dor"]}]}, "did you mean 'door'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(content: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        config_from(content)
    assert "geheim" not in str(caught.value)


def test_what_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no TOML"):
        read_config(config(tmp_path, "[[streams]\nname = 3"))
    with pytest.raises(InputError, match="no configuration at"):
        read_config(tmp_path / "none.toml")


def test_an_unknown_class_and_a_port_in_use(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    start = f'[model]\npath = "{tiny}"\n'
    stream = f'[[streams]]\nname = "door"\nsource = "{video}"\n'
    code, _, err = edgessd("run", config(tmp_path, f"{start}classes = ['bird']\n{stream}"), "--check")
    assert (code, "unknown class 'bird'" in err) == (2, True)
    code, _, err = edgessd("run", config(tmp_path, f"{start}classes = []\n{stream}"), "--check")
    assert (code, "no label is named" in err) == (2, True)
    nothing = '[[sinks]]\ntype = "jsonl"\npath = "o.jsonl"\nstreams = []\n'
    code, _, err = edgessd("run", config(tmp_path, f"{start}{stream}{nothing}"), "--check")
    assert (code, "sinks[0].streams is empty" in err) == (2, True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sink = f'[[sinks]]\ntype = "prometheus"\nport = {taken.getsockname()[1]}\n'
        code, _, err = edgessd("run", config(tmp_path, start + stream + sink))
    assert (code, "take another" in err) == (2, True)


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Path(__file__).parents[2] / "deploy" / "streams.toml"
    for name in ("DOOR_PASSWORD", "YARD_PASSWORD", "MQTT_PASSWORD"):
        monkeypatch.setenv(name, "geheim")
    found = read_config(example)
    assert len(found.streams) == 2
    assert "geheim" not in repr(found)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "ctrl-c"])
def test_a_signal_drains_and_closes_in_time(number: signal.Signals, tiny: Path, tmp_path: Path) -> None:
    """A camera that is there, one that is locked, one that hangs; json logs; a dead webhook; systemd's socket."""
    port, locked, hanging = free_port(), free_port(), free_port()
    lines, notices = tmp_path / "o.jsonl", tmp_path / "notify"
    path = config(
        tmp_path,
        f"""
        model.path = "{tiny}"
        run.log_format = "json"
        [[streams]]
        name = "door"
        source = "http://127.0.0.1:{port}/live"
        [[streams]]
        name = "locked"
        source = "http://admin:falsch@127.0.0.1:{locked}/live"
        [[streams]]
        name = "hangs"
        source = "rtsp://admin:geheim@127.0.0.1:{hanging}/live"
        [[sinks]]
        type = "jsonl"
        path = "{lines}"
        [[sinks]]
        type = "webhook"
        url = "http://user:geheim@127.0.0.1:{free_port()}/x"
        """,
    )
    with (
        mjpeg_camera(port, "--fps", 30),
        mjpeg_camera(locked, "--password", "geheim"),
        socket.socket() as silent,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
    ):
        silent.bind(("127.0.0.1", hanging))
        silent.listen()
        channel.bind(str(notices))
        channel.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(notices), "WATCHDOG_USEC": "600000"}
        command = [sys.executable, "-m", "edgessd", "run", str(path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
        try:
            assert channel.recv(64) == b"READY=1"
            assert channel.recv(64) == b"WATCHDOG=1"
            assert eventually(lambda: lines.exists() and '"detections"' in lines.read_text(), 30)
            assert eventually(lambda: "authentication" in lines.read_text(), 30)
            asked = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
            took = time.monotonic() - asked
        finally:
            process.kill()
            process.wait()
        told = [channel.recv(64)]
        while told[-1] == b"WATCHDOG=1":
            told.append(channel.recv(64))
        assert told[-1] == b"STOPPING=1"
    assert process.returncode == 0, err
    assert took < 10  # 5 s on a machine that is not shared
    log = [json.loads(line) for line in err.decode().splitlines()]
    assert {"time", "level", "logger", "message"} <= set(log[0])
    assert any(line.get("stream") == "locked" and line.get("reason") == "authentication" for line in log)
    text = lines.read_text()
    assert all(json.loads(line) for line in text.splitlines())
    for secret in ("geheim", "falsch"):
        assert secret not in err.decode() + text


def test_nobody_to_notify(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert not systemd.notify("READY=1")
    assert systemd.watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert systemd.watchdog_seconds() == 30
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert systemd.watchdog_seconds() is None


def test_detect_goes_on_when_the_camera_comes_back(tiny: Path, tmp_path: Path) -> None:
    port = free_port()
    lines = tmp_path / "o.jsonl"
    command = [sys.executable, "-m", "edgessd", "detect", f"http://admin:geheim@127.0.0.1:{port}/live"]
    command += ["-m", str(tiny), "--jsonl", str(lines), "--max-frames", "40"]
    with mjpeg_camera(port, "--fps", 60, "--frames", 15):
        done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    frames = [json.loads(line)["frame"] for line in lines.read_text().splitlines()]
    assert len(frames) == 40
    assert frames == sorted(frames)
    assert b"geheim" not in done.stderr
    assert "geheim" not in lines.read_text()


def test_detect_refuses_what_never_comes_to_an_end(edgessd: Edgessd, tiny: Path) -> None:
    port = free_port()
    with mjpeg_camera(port):
        url = f"http://127.0.0.1:{port}/live"
        code, _, err = edgessd("detect", url, url, "-m", tiny)
    assert (code, "edgessd run" in err) == (2, True)
    code, _, err = edgessd("detect", f"rtsp://admin:geheim@127.0.0.1:{port}/live", "-m", tiny)
    assert (code, "refuses connections" in err, "geheim" in err) == (2, True, False)


def test_threads_of_this_process_end(edgessd: Edgessd, tiny: Path, video: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    path = config(tmp_path, f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "{video}"')
    assert edgessd("run", path)[0] == 0
    assert eventually(lambda: threading.active_count() <= before, 5)


@pytest.mark.parametrize("place", ["streams.toml", "tiny.onnx", "clip.avi", "images/a.png", "images/../streams.toml"])
def test_a_sink_writes_over_nothing_that_is_read(place: str, tiny: Path, video: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for source, name in ((tiny, "tiny.onnx"), (video, "clip.avi"), (video, "images/a.png")):
        shutil.copy(source, tmp_path / name)
    streams = "".join(
        f'[[streams]]\nname = "{name}"\nsource = "{tmp_path}/{source}"\n'
        for name, source in (("a", "clip.avi?loop=1"), ("b", "images"))
    )
    lines = f'model.path = "{tmp_path}/tiny.onnx"\n{streams}[[sinks]]\n'
    with pytest.raises(InputError, match=r"sinks\[0\].*would be lost"):
        read_config(config(tmp_path, f'{lines}type = "jsonl"\npath = "{tmp_path}/{place}"\n'))
    with pytest.raises(InputError, match=r"sinks\[0\].*would be lost"):
        read_config(config(tmp_path, f'{lines}type = "snapshots"\nfolder = "{tmp_path}/images"\n'))
    read_config(config(tmp_path, f'{lines}type = "jsonl"\npath = "{tmp_path}/o.jsonl"\n'))


def test_a_wrong_address_names_its_stream_and_not_its_password(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    lines = f'model.path = "{tiny}"\n[[streams]]\nname = "yard"\nsource = "rtsp:/u:geheim@h/a"\n'
    for words in (["run", "--check"], ["run"]):
        code, _, err = edgessd(*words, config(tmp_path, lines))
        assert (code, "stream yard: " in err, "geheim" in err) == (2, True, False), err
