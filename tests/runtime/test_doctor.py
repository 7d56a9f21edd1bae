"""The doctor: verdicts from made-up machines, broken libraries survived, and this machine for real."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boards
import pytest

from edgessd.backends.cuda.library import CudaState
from edgessd.device import read_board
from edgessd.doctor import facts as gathering
from edgessd.doctor.facts import ask, has_nvidia_card
from edgessd.doctor.jetson import jetson_facts
from edgessd.doctor.report import rows
from edgessd.doctor.verdicts import Verdict, can_detect, verdicts, video_note
from edgessd.util.extras import install_command, pip_install

Command = Callable[..., tuple[int, str, str]]
NO_DRIVER = asdict(CudaState(None, (), "no NVIDIA driver here (libcuda.so.1 ...)", "install it", driver=False))
CANNOT_START = asdict(CudaState(None, (), "CUDA cannot start: x (803)", "restart the machine"))
ORIN = {
    "name": "Orin",
    "compute_capability": "8.7",
    "memory_bytes": 8 << 30,
    "multiprocessors": 8,
    "integrated": True,
}
CUDA = {"driver_version": "12.6", "devices": [ORIN], "problem": None, "runtime_version": "12.6"}
OPENCV = {"version": "4.8.0", "gstreamer": True, "ffmpeg": True, "windows": "GTK+", "file": "/cv2.so"}


def machine(**changes: Any) -> dict[str, Any]:
    """Return the facts of a Linux machine with nothing but OpenCV, changed as told."""
    nothing = dict.fromkeys(
        ("onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "pycuda", "cuda-bindings", "jetson")
    )
    basis: dict[str, Any] = {
        "edgessd": "0.1.0",
        "python": "3.10.12",
        "executable": "/usr/bin/python3",
        "system": "Linux",
        "cores": 6,
    }
    basis |= {"numpy": "1.26.4", "system_opencv": None, "memory": None, "vnni": None, "board": {}, "cameras": []}
    basis |= {"engine_cache": {"folder": "/cache", "free_bytes": None}}
    return {**basis, **nothing, "nvidia_gpu": False, "opencv": OPENCV, "cuda": NO_DRIVER, **changes}


def verdict(name: str, **changes: Any) -> Verdict:
    return next(found for found in verdicts(machine(**changes)) if found.backend == name)


JETSON = {
    "board": "Jetson Orin Nano",
    "l4t": "36.4.3",
    "jetpack": "6.2",
    "power_mode": "15W",
    "fastest_mode": None,
    "clocks": {},
}
ORT = {"version": "1.22", "providers": ["CPUExecutionProvider"]}


def test_a_machine_without_any_backend_cannot_detect() -> None:
    found = verdicts(machine())
    assert not can_detect(found)
    assert [one.command for one in found if one.backend in ("onnxruntime", "openvino")] == [
        install_command("cpu"),
        install_command("openvino"),
    ]


def test_whether_int8_pays_is_told_by_the_processor(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    for line, known, words in (
        ("flags\t\t: fpu avx2 avx512_vnni", True, "0.8 of the time"),
        ("flags\t\t: fpu avx2", False, "no faster"),
        ("Features\t: fp asimd asimddp", None, None),
    ):
        (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n\n")
        found = gathering.vnni(tmp_path)
        assert found is known
        told = rows(machine(vnni=found)).get("INT8")
        assert told is None if words is None else words in str(told)


def test_one_backend_is_enough() -> None:
    assert can_detect(verdicts(machine(onnxruntime=ORT)))


def test_without_opencv_nothing_runs() -> None:
    openvino = {"version": "2026.4", "devices": ["CPU"]}
    found = verdicts(machine(opencv=None, onnxruntime=ORT, openvino=openvino))
    assert not can_detect(found)
    assert [(one.reason, one.command) for one in found] == [
        ("OpenCV is not installed", install_command("cpu")),
        ("this machine has no NVIDIA GPU", None),
        ("OpenCV is not installed", install_command("openvino")),
        ("this machine has no NVIDIA GPU", None),
    ]


@pytest.mark.parametrize(
    ("changes", "reason", "command"),
    [
        ({}, "no NVIDIA GPU", None),
        ({"nvidia_gpu": True}, "no driver is visible", "ubuntu-drivers install"),
        ({"cuda": CANNOT_START}, "CUDA", "restart the"),
        ({"cuda": NO_DRIVER, "jetson": JETSON}, "container", "--runtime nvidia"),
        ({"cuda": CUDA}, "no TensorRT module", install_command("tensorrt")),
        ({"cuda": CUDA, "jetson": JETSON}, "no TensorRT module", "sudo apt install python3-libnvinfer"),
        ({"cuda": CUDA, "tensorrt": {"problem": "no libnvinfer"}}, "tensorrt no libnvinfer", "[tensorrt]"),
        ({"cuda": CUDA, "tensorrt": {"version": "10.3"}}, "neither pycuda nor", "cuda-bindings==12.*"),
        (
            {"cuda": CUDA, "tensorrt": {"version": "10.3"}, "pycuda": {"problem": "undefined symbol"}},
            "pycuda undefined symbol",
            "cuda-bindings==12.*",
        ),
    ],
)
def test_what_tensorrt_lacks_and_the_next_command(changes: dict, reason: str, command: str | None) -> None:
    found = verdict("tensorrt", **changes)
    assert not found.runs
    assert reason in found.reason
    assert found.command is None if command is None else command in str(found.command)


@pytest.mark.parametrize(
    ("library", "module"),
    [("pycuda", "tensorrt"), ("cuda-bindings", "tensorrt"), ("pycuda", "tensorrt_rtx")],
)
def test_where_tensorrt_runs(library: str, module: str) -> None:
    found = verdict("tensorrt", cuda=CUDA, **{module: {"version": "1.2"}, library: {"version": "3.4"}})
    assert (found.runs, found.reason) == (True, f"{module} 1.2 with {library} 3.4 on Orin")


def test_bindings_newer_than_the_driver_are_pointed_out() -> None:
    found = verdict("tensorrt", cuda=CUDA, tensorrt={"version": "10.3"}, **{"cuda-bindings": {"version": "13.5.0"}})
    assert found.runs
    assert "made for drivers of CUDA 13, here is 12" in found.reason
    assert found.command == pip_install("cuda-bindings==12.*")


def test_cuda_for_onnxruntime_is_another_wheel() -> None:
    assert install_command("gpu") in str(verdict("onnxruntime (CUDA)", cuda=CUDA, onnxruntime=ORT).command)
    gpu = {**ORT, "providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    assert verdict("onnxruntime (CUDA)", cuda=CUDA, onnxruntime=gpu).runs


def test_a_jetson_keeps_its_own_opencv() -> None:
    assert verdict("onnxruntime", jetson=JETSON).command == pip_install("onnxruntime")
    assert "system-site-packages" in str(verdict("onnxruntime", jetson=JETSON, opencv=None).command)
    assert "no GStreamer" in str(video_note(machine(jetson=JETSON, opencv={**OPENCV, "gstreamer": False})))
    assert video_note(machine(jetson=JETSON)) is None


def test_opencv_without_any_reader_is_noted() -> None:
    assert "reads no videos" in str(video_note(machine(opencv={**OPENCV, "gstreamer": False, "ffmpeg": False})))


def test_rows_say_what_is_there_and_what_does_not_load() -> None:
    shown = rows(machine(cuda=CUDA, jetson=JETSON, pycuda={"problem": "undefined symbol"}))
    assert shown["CUDA driver"] == "for CUDA 12.6: Orin (compute capability 8.7, 8.0 GiB, shared with the CPU)"
    assert shown["CUDA runtime"] == "12.6"
    assert shown["pycuda"] == "does not load: undefined symbol"
    assert shown["TensorRT"] == "not installed"
    assert shown["Jetson"] == "Jetson Orin Nano, JetPack 6.2, L4T 36.4.3, power mode 15W"


def test_rows_of_a_board_tell_clocks_power_and_heat(tmp_path: Path) -> None:
    root = boards.orin_nano(tmp_path)
    shown = rows(machine(jetson=jetson_facts(root), board=read_board(root).as_json(), cameras=["/dev/video0"]))
    assert shown["clocks"] == "gpu 306 of 625 MHz, 1020 possible, emc ? of 2133 MHz, cpu 922 of 1510 MHz, 1728 possible"
    assert shown["power"] == "5.00 W (VDD_IN)"
    assert shown["temperature"] == "49.5 degrees C (cpu)"
    assert shown["over-current"] == "oc2 15 times, oc3 37 times since the start"
    assert shown["cameras"] == "/dev/video0"
    assert "locked" in rows(machine(jetson=jetson_facts(boards.thor(tmp_path / "thor"))))["clocks"]


# A Jetson's own files and programs.


def test_a_jetson_from_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = boards.orin_nano(tmp_path / "root")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, prints in (("dpkg-query", "6.2+b77"), ("nvpmodel", "NV Power Mode: 25W\\n1")):
        program = programs / name
        program.write_text(f"#!/bin/sh\nprintf '{prints}'\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    found = jetson_facts(root)
    assert found is not None
    clocks = found.pop("clocks")
    assert found == {
        "board": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "l4t": "36.4.3",
        "jetpack": "6.2+b77",
        "power_mode": "25W",
        "fastest_mode": {"number": 2, "name": "MAXN_SUPER"},
    }
    assert (clocks["gpu"]["locked"], clocks["gpu"]["capped"]) == (False, True)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))  # a container has neither program
    found = jetson_facts(root)
    assert found is not None
    assert (found["jetpack"], found["power_mode"]) == ("6.x", "15W")


def test_another_machine_is_no_jetson(tmp_path: Path) -> None:
    assert jetson_facts(tmp_path) is None


@pytest.mark.parametrize(("vendor", "found"), [("0x10de\n", True), ("0x8086\n", False)])
def test_a_card_of_nvidia(tmp_path: Path, vendor: str, *, found: bool) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/vendor").write_text(vendor)
    assert has_nvidia_card(tmp_path) is found


# Libraries that do not load.


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "kills the process that loads it (SIGSEGV)"),
        ("raise ImportError('libnvinfer.so.10: cannot open shared object file')", "libnvinfer.so.10: cannot open"),
        ("import sys; sys.exit(5)", "ends with exit code 5"),
        ("import time; time.sleep(60)", "does not answer within 2 s"),
    ],
)
def test_a_broken_library_is_reported_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    (tmp_path / "tensorrt.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(gathering, "PROBE_SECONDS", 2.0)
    assert said in ask("tensorrt")["problem"]


def test_an_absent_library_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "find_spec", lambda name: None)
    assert ask("tensorrt") is None


# This machine.


def test_doctor_on_this_machine(edgessd: Command) -> None:
    code, out, _ = edgessd("doctor", "--json")
    report = json.loads(out)
    assert code == 0
    assert report["can_detect"]
    assert report["opencv"]["version"]
    assert {one["backend"] for one in report["backends"]} == {
        "onnxruntime",
        "onnxruntime (CUDA)",
        "openvino",
        "tensorrt",
    }


def test_doctor_exits_with_1_where_nothing_runs(edgessd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "gather", machine)
    code, out, _ = edgessd("doctor")
    assert code == 1
    assert install_command("cpu") in out
