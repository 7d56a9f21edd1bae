"""What the doctor knows to be wrong: made-up machines, real devices, disks and ports, and an engine's card."""

import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boards
import pytest
from servers.cameras import free_port

from edgessd.backends.cuda.library import CudaState
from edgessd.device import read_board
from edgessd.doctor.config_findings import config_findings
from edgessd.doctor.device_findings import board_findings
from edgessd.doctor.facts import memory, system_opencv
from edgessd.doctor.findings import KNOWN, Effect, Finding
from edgessd.doctor.jetson import jetson_facts
from edgessd.doctor.model_findings import model_findings
from edgessd.util.extras import pip_install
from edgessd.util.files import free_bytes
from edgessd.util.reachability import why_unreachable

HERE = Path(__file__).parent
Edgessd = Callable[..., tuple[int, str, str]]
GIB = 1 << 30
write_engine = runpy.run_path(str(HERE / "stand_in" / "tiny_engine.py"))["write_engine"]
CUDA = {
    "driver_version": "12.6",
    "problem": None,
    "devices": [
        {
            "name": "Orin",
            "compute_capability": "8.7",
            "memory_bytes": 8 * GIB,
            "multiprocessors": 8,
            "integrated": True,
        }
    ],
}
NO_CUDA = asdict(CudaState(None, (), "no NVIDIA driver here", driver=False))


def facts(**changes: Any) -> dict[str, Any]:
    """Return the facts of a PC with which nothing is wrong."""
    usual: dict[str, Any] = {
        "jetson": None,
        "nvidia_gpu": False,
        "board": {},
        "numpy": "2.4.0",
        "opencv": {"version": "4.12", "gstreamer": False, "ffmpeg": True, "windows": None, "file": "/venv/cv2.so"},
        "system_opencv": None,
        "tensorrt": None,
        "tensorrt_rtx": None,
        "pycuda": None,
        "cuda-bindings": None,
        "cuda": NO_CUDA,
        "vnni": None,
        "memory": {"available_bytes": 8 * GIB, "swap_free_bytes": 0},
        "engine_cache": {"folder": "/cache", "free_bytes": 50_000_000_000},
    }
    return usual | changes


def only(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    assert found[0].id in KNOWN
    return found[0]


JETSON = {"board": "Jetson", "power_mode": "MAXN", "fastest_mode": {"number": 0, "name": "MAXN"}, "clocks": {}}
JETPACK_OPENCV = "/usr/lib/python3/dist-packages/cv2/__init__.py"


def test_a_fine_machine_has_no_finding(tmp_path: Path) -> None:
    assert board_findings(facts(), tmp_path) == []
    assert board_findings(facts(jetson=JETSON), tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "name", "cause", "command"),
    [
        (
            {"opencv": {"problem": "ImportError: numpy.core.multiarray failed to import"}},
            "opencv-wants-numpy-1",
            "here is NumPy 2.4.0",
            pip_install("numpy<2"),
        ),
        (
            {"jetson": JETSON, "system_opencv": JETPACK_OPENCV},
            "opencv-shadows-jetpack",
            "hides JetPack's /usr/lib",
            "pip uninstall -y opencv-python",
        ),
        (
            {"tensorrt": {"version": "10.3"}, "cuda": CUDA, "pycuda": {"problem": "undefined symbol"}},
            "cuda-library-missing",
            "pycuda undefined symbol",
            "cuda-bindings==12.*",
        ),
        (
            {"engine_cache": {"folder": "/cache", "free_bytes": 700_000_000}},
            "disk-nearly-full",
            "700 MB are free where engines are kept (/cache)",
            "XDG_CACHE_HOME",
        ),
        ({"engine_cache": {"folder": "/cache", "free_bytes": 5_000_000}}, "disk-full", "5 MB are free", "df -h"),
        (
            {"jetson": JETSON, "memory": {"available_bytes": GIB, "swap_free_bytes": GIB}},
            "memory-low",
            "1.0 GiB of memory and 1.0 GiB of swap",
            "mkswap /swapfile",
        ),
    ],
)
def test_what_is_wrong_with_a_machine(
    tmp_path: Path, changes: dict[str, Any], name: str, cause: str, command: str
) -> None:
    found = only(board_findings(facts(**changes), tmp_path))
    assert found.id == name
    assert cause in found.cause
    assert command in found.command


def test_a_jetson_that_could_be_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command names the fastest mode's own number: Orin Nano's MAXN_SUPER is 2, and 0 would be 15 W."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    root = boards.orin_nano(tmp_path / "orin")
    found = board_findings(facts(jetson=jetson_facts(root), board=read_board(root).as_json()), tmp_path / "dev")
    assert {finding.id: finding.command for finding in found} == {
        "power-mode": "sudo nvpmodel -m 2 && sudo jetson_clocks",
        "clocks-free": "sudo jetson_clocks",
        "throttled": "sudo jetson_clocks --fan, and see heat sink and power supply (or a lower power mode)",
    }
    assert "gpu 306 of 625, cpu 922 of 1510 MHz" in found[1].cause
    assert "at 49.5 degrees C (cpu): gpu-throttle-alert" in found[2].cause
    assert {finding.effect for finding in found} == {Effect.SLOWS}
    root = boards.thor(tmp_path / "thor")
    assert board_findings(facts(jetson=jetson_facts(root), board=read_board(root).as_json()), tmp_path / "dev") == []


def test_devices_that_this_user_may_not_use() -> None:
    with tempfile.TemporaryDirectory() as folder:
        dev = Path(folder)
        dev.chmod(0o755)
        (dev / "nvmap").touch(mode=0o600)
        (dev / "video0").touch(mode=0o600)
        (dev / "nvhost-gpu").touch()
        (dev / "nvhost-gpu").chmod(0o666)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)  # root may use everything
        else:
            pytest.skip("needs root, to make devices that another user may not use")
        try:
            found = only(board_findings(facts(jetson=JETSON), dev))
        finally:
            os.seteuid(before)
        assert found.id == "device-access"
        assert f"{dev}/nvmap, {dev}/video0 (group root)" in found.cause
        assert "usermod -aG root" in found.command


def test_memory_and_the_systems_opencv_from_files(tmp_path: Path) -> None:
    boards.write(
        tmp_path,
        {
            "proc/meminfo": "MemTotal: 7620000 kB\nMemAvailable:  1048576 kB\nSwapFree: 2048 kB",
            "usr/lib/python3.10/dist-packages/cv2/__init__.py": "",
        },
    )
    assert memory(tmp_path) == {"available_bytes": GIB, "swap_free_bytes": 2 << 20}
    assert system_opencv(tmp_path) == str(tmp_path / "usr/lib/python3.10/dist-packages/cv2/__init__.py")
    assert (memory(tmp_path / "none"), system_opencv(tmp_path / "none")) == (None, None)


# One model.


def test_a_fine_model_has_no_finding(tiny: Path, tmp_path: Path) -> None:
    assert model_findings(str(tiny), facts()) == []
    engine = write_engine(tmp_path, compute_capabilities=["8.7"])
    assert model_findings(str(engine), facts(cuda=CUDA, tensorrt={"version": "10.3.0"})) == []


@pytest.mark.parametrize(
    ("here", "name", "cause"),
    [
        ({"cuda": CUDA, "tensorrt": {"version": "10.16.2"}}, "engine-other-tensorrt", "tensorrt 10.3.0, here is 10.16"),
        ({"cuda": CUDA, "tensorrt": {"version": "10.3.0"}, "gpu": "Thor"}, "engine-other-gpu", "built on Thor, here"),
        ({"cuda": CUDA, "tensorrt": {"version": "10.3.0"}, "targets": ["11.0"]}, "engine-other-gpu", "capability 11.0"),
        ({"gpu": "Orin"}, "engine-other-gpu", "built on Orin: this machine has no NVIDIA GPU"),
        ({"gpu": "Orin", "jetson": JETSON}, "engine-other-gpu", "no driver is visible in this container"),
    ],
)
def test_an_engine_of_elsewhere(tmp_path: Path, here: dict[str, Any], name: str, cause: str) -> None:
    engine = write_engine(
        tmp_path, gpu=here.pop("gpu", None), compute_capabilities=here.pop("targets", ["8.7"]), onnx="tiny.onnx"
    )
    found = only(model_findings(str(engine), facts(**here)))
    assert (found.id, found.effect) == (name, Effect.STOPS)
    assert cause in found.cause
    if here.get("cuda"):
        assert found.command.startswith("edgessd build tiny.onnx --out")


def test_a_model_that_is_none(tmp_path: Path) -> None:
    assert only(model_findings("nowhere.onnx", facts())).id == "model-unusable"
    engine = write_engine(tmp_path)
    engine.write_bytes(engine.read_bytes() + b"x")
    assert only(model_findings(str(engine), facts())).id == "engine-damaged"


# A configuration.


def configured(tmp_path: Path, tiny: Path, source: str, sink: str = "") -> Path:
    path = tmp_path / "streams.toml"
    path.write_text(f'model.path = "{tiny}"\n[[streams]]\nname = "door"\nsource = "{source}"\n{sink}')
    return path


def test_a_configuration_that_can_run(tmp_path: Path, tiny: Path, video: Path) -> None:
    sink = f'[[sinks]]\ntype = "jsonl"\npath = "{tmp_path}/o.jsonl"\n'
    with socket.socket() as broker:
        broker.bind(("127.0.0.1", 0))
        broker.listen()
        mqtt = f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {broker.getsockname()[1]}\n'
        assert config_findings(configured(tmp_path, tiny, str(video), sink + mqtt), facts()) == []


@pytest.mark.parametrize(
    ("source", "name", "effect", "cause", "command"),
    [
        ("97", "camera-missing", Effect.RETRIES, "there is no /dev/video97", "v4l2-ctl --list-devices"),
        ("csi://0", "camera-missing", Effect.RETRIES, "/tmp/argus_socket", "sudo systemctl restart nvargus-daemon"),
        ("nowhere.mp4", "source-missing", Effect.STOPS, "there is no nowhere.mp4", "ls -l"),
        ("rtsp://u:geheim@127.0.0.1:PORT/live", "stream-unreachable", Effect.RETRIES, "nothing listens", "nc -zv"),
        ("ftp://127.0.0.1/x", "config-wrong", Effect.STOPS, "unknown kind of source", "--check"),
    ],
)
def test_a_source_that_is_not_there(
    tmp_path: Path, tiny: Path, source: str, name: str, effect: Effect, cause: str, command: str
) -> None:
    if source.startswith("csi") and Path("/tmp/argus_socket").exists():
        pytest.skip("this machine has a Jetson's camera daemon")
    path = configured(tmp_path, tiny, source.replace("PORT", str(free_port())))
    found = only(config_findings(path, facts()))
    assert (found.id, found.effect) == (name, effect)
    assert cause in found.cause
    assert command in found.command
    assert "geheim" not in found.cause + found.command


def test_a_broker_that_is_not_there(tmp_path: Path, tiny: Path, video: Path) -> None:
    sink = f'[[sinks]]\ntype = "mqtt"\nhost = "127.0.0.1"\nport = {free_port()}\n'
    found = only(config_findings(configured(tmp_path, tiny, str(video), sink), facts()))
    assert (found.id, found.effect) == ("broker-unreachable", Effect.RETRIES)
    assert "nothing listens there" in found.cause
    assert "systemctl enable --now mosquitto" in found.command


def test_a_place_that_cannot_be_written(tmp_path: Path, tiny: Path, video: Path) -> None:
    sink = f'[[sinks]]\ntype = "jsonl"\npath = "{tmp_path}/none/o.jsonl"\n'
    found = only(config_findings(configured(tmp_path, tiny, str(video), sink), facts()))
    assert (found.id, found.effect) == ("sink-place", Effect.STOPS)


def test_a_live_page_without_its_password(
    tmp_path: Path, tiny: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("starlette")
    path = configured(tmp_path, tiny, str(video), '[view]\npassword_env = "VIEW_SECRET"\n')
    found = only(config_findings(path, facts()))
    assert (found.id, found.effect) == ("view-unusable", Effect.STOPS)
    assert "VIEW_SECRET" in found.cause
    monkeypatch.setenv("VIEW_SECRET", "correct horse")
    assert config_findings(path, facts()) == []


def test_a_missing_file_stops_nothing_where_another_stream_is_there(tmp_path: Path, tiny: Path, video: Path) -> None:
    path = configured(tmp_path, tiny, "nowhere.mp4", f'[[streams]]\nname = "yard"\nsource = "{video}"\n')
    found = only(config_findings(path, facts()))
    assert (found.id, found.effect) == ("source-missing", Effect.WARNS)


def test_why_a_host_cannot_be_reached() -> None:
    assert why_unreachable("127.0.0.1", free_port()) == "nothing listens there"
    assert "knows the name" in str(why_unreachable("no-such-host.invalid", 1883))
    assert "1 to 63 letters" in str(why_unreachable(f"{'a' * 70}.com", 1883))


def test_free_bytes_of_what_is_not_there_yet(tmp_path: Path) -> None:
    free = free_bytes(tmp_path / "a" / "b")
    assert free is not None
    assert free > 0


# The verb.


def test_doctor_says_what_would_stop_and_what_would_not(edgessd: Edgessd, tmp_path: Path, tiny: Path) -> None:
    code, out, _ = edgessd("doctor", "--config", configured(tmp_path, tiny, "97"), "--json")
    assert code == 0  # `edgessd run` goes on trying
    assert [(one["id"], one["effect"]) for one in json.loads(out)["findings"] if one["effect"] == "retries"] == [
        ("camera-missing", "retries")
    ]
    code, out, _ = edgessd("doctor", "--model", write_engine(tmp_path, gpu="Orin"))
    assert code == 1
    assert "engine-other-gpu (stops)" in out
    assert "  next: " in out


def test_doctor_needs_no_opencv_to_say_so(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('numpy.core.multiarray failed to import')")
    path = configured(tmp_path, tiny, "97")
    command = [sys.executable, "-m", "edgessd", "doctor", "--config", str(path), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1, done.stderr
    ids = [one["id"] for one in json.loads(done.stdout)["findings"]]
    assert {"opencv-wants-numpy-1", "config-unchecked"} <= set(ids)


def test_every_known_id_is_found_somewhere() -> None:
    folder = HERE.parents[1] / "runtime" / "edgessd"
    sources = [*(folder / "doctor").glob("*_findings.py"), folder / "commands" / "doctor.py"]
    text = "".join(path.read_text() for path in sources)
    assert [name for name in KNOWN if f'"{name}"' not in text] == []
