"""What is wrong with a machine itself: its libraries, rights, disk and memory, a Jetson's power mode and clocks."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgessd.device.format import hottest
from edgessd.device.permissions import group_of, usable
from edgessd.doctor.facts import Facts
from edgessd.doctor.findings import Effect, Finding
from edgessd.doctor.verdicts import wants_numpy_1
from edgessd.util.extras import pip_install

# What a build needs on a disk and in memory: rules of thumb, not measured on a board.
FULL_BYTES, NEARLY_FULL_BYTES = 200_000_000, 1_000_000_000
LEAST_BUILD_MEMORY = 3 << 30
# What a Jetson's GPU, display and cameras are reached through; each is there on some boards only.
DEVICES = (
    "nvhost-gpu",
    "nvhost-ctrl-gpu",
    "nvgpu/igpu0/ctrl",
    "nvmap",
    "nvidia0",
    "nvidiactl",
    "dri/renderD*",
    "video*",
)
SWAP = (
    "sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile "
    "(or: edgessd build --low-memory)"
)


def board_findings(facts: Facts, dev: Path = Path("/dev")) -> list[Finding]:
    """Return what is wrong here whatever is configured. dev: where the devices lie."""
    found = [*_opencv(facts), *_cuda_library(facts), *_disk(facts), *_memory(facts)]
    if facts["jetson"]:
        found += [*_devices(dev), *_power(facts["jetson"]), *_throttled(facts["board"])]
    return found


def _opencv(facts: Facts) -> Iterator[Finding]:
    opencv = facts["opencv"]
    if wants_numpy_1(facts):
        yield Finding(
            "opencv-wants-numpy-1",
            Effect.STOPS,
            f"this OpenCV was built for NumPy 1, here is NumPy {facts['numpy']}",
            pip_install("numpy<2"),
        )
    hidden = facts["system_opencv"]
    if facts["jetson"] and hidden and opencv and not opencv.get("gstreamer") and opencv.get("file") != hidden:
        where = opencv.get("file", "one that does not load")
        yield Finding(
            "opencv-shadows-jetpack",
            Effect.WARNS,
            f"OpenCV is {where}, without GStreamer, and hides JetPack's {hidden}: no CSI camera in OpenCV",
            "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python",
        )


def _cuda_library(facts: Facts) -> Iterator[Finding]:
    def loads(name: str) -> bool:
        return bool(facts[name]) and "problem" not in facts[name]

    if not (loads("tensorrt") or loads("tensorrt_rtx")) or loads("pycuda") or loads("cuda-bindings"):
        return
    problems = [f"{name} {facts[name]['problem']}" for name in ("pycuda", "cuda-bindings") if facts[name]]
    major = str(facts["cuda"]["driver_version"] or "12").split(".")[0]
    yield Finding(
        "cuda-library-missing",
        Effect.STOPS,
        "TensorRT is installed, but " + ("; ".join(problems) or "neither pycuda nor cuda-bindings is"),
        pip_install(f"cuda-bindings=={major}.*"),
    )


def _disk(facts: Facts) -> Iterator[Finding]:
    folder, free = facts["engine_cache"]["folder"], facts["engine_cache"]["free_bytes"]
    if free is None or free >= NEARLY_FULL_BYTES:
        return
    full = free < FULL_BYTES
    yield Finding(
        "disk-full" if full else "disk-nearly-full",
        Effect.STOPS if full and facts["jetson"] else Effect.WARNS,
        f"{free / 1e6:.0f} MB are free where engines are kept ({folder})",
        "df -h && sudo apt clean && rm -rf ~/.cache/pip (or set XDG_CACHE_HOME to a larger disk)",
    )


def _memory(facts: Facts) -> Iterator[Finding]:
    memory = facts["memory"]
    if not memory or not (facts["jetson"] or facts["tensorrt"] or facts["tensorrt_rtx"]):
        return
    if memory["available_bytes"] + memory["swap_free_bytes"] < LEAST_BUILD_MEMORY:
        yield Finding(
            "memory-low",
            Effect.WARNS,
            f"{memory['available_bytes'] / 2**30:.1f} GiB of memory and {memory['swap_free_bytes'] / 2**30:.1f} GiB of "
            "swap are free; a first engine build may be killed",
            SWAP,
        )


def _devices(dev: Path) -> Iterator[Finding]:
    closed: dict[str, list[str]] = {}
    for pattern in DEVICES:
        for device in sorted(dev.glob(pattern)):
            if not usable(device):
                closed.setdefault(group_of(device), []).append(str(device))
    user = os.environ.get("USER", "$USER")
    for group, devices in closed.items():
        yield Finding(
            "device-access",
            Effect.RETRIES,
            f"this user may not use {', '.join(devices)} (group {group})",
            f"sudo usermod -aG {group} {user}, then log in again (a container: --group-add {group})",
        )


def _power(jetson: dict[str, Any]) -> Iterator[Finding]:
    fastest, mode = jetson["fastest_mode"], jetson["power_mode"]
    if fastest and mode and mode != fastest["name"]:
        yield Finding(
            "power-mode",
            Effect.SLOWS,
            f"the power mode is {mode}, the fastest is {fastest['name']}",
            f"sudo nvpmodel -m {fastest['number']} && sudo jetson_clocks",
        )
    free = [name for name, clock in jetson["clocks"].items() if clock["locked"] is False]
    if free:
        bounds = ", ".join(
            f"{name} {_mhz(jetson['clocks'][name]['now'])} of {_mhz(jetson['clocks'][name]['highest'])}"
            for name in free
        )
        yield Finding("clocks-free", Effect.SLOWS, f"clocks follow the load ({bounds} MHz)", "sudo jetson_clocks")


def _mhz(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f}"


def _throttled(board: dict[str, Any]) -> Iterator[Finding]:
    raised = [name for name, state in board.get("alerts", {}).items() if state > 0]
    if raised:
        found = hottest(board)
        heat = f" at {found[0]:.1f} degrees C ({found[1]})" if found else ""
        yield Finding(
            "throttled",
            Effect.SLOWS,
            f"the board slows itself down{heat}: {', '.join(raised)}",
            "sudo jetson_clocks --fan, and see heat sink and power supply (or a lower power mode)",
        )
