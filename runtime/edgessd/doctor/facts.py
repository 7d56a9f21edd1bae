"""The facts of this machine, every library asked in a process of its own and all at once."""

import json
import os
import platform
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgessd import __version__
from edgessd.backends.engine.cache import cache_path
from edgessd.device import ROOT, read_board
from edgessd.device.text_tree import Tree
from edgessd.doctor.jetson import jetson_facts
from edgessd.doctor.probe import PROBES
from edgessd.errors import InputError
from edgessd.util.cores import usable_cores
from edgessd.util.extras import version_of
from edgessd.util.files import free_bytes

PROBE_SECONDS = 60.0
NVIDIA = "0x10de"  # its PCI vendor number
Facts = dict[str, Any]


def gather() -> Facts:
    """Return what is installed and connected. A library that is absent is None, one that fails has a ``problem``."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        answers = dict(zip(PROBES, pool.map(ask, PROBES), strict=True))
    return {
        "edgessd": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": usable_cores(),
        "jetson": jetson_facts(),
        "board": read_board().as_json(),
        "nvidia_gpu": has_nvidia_card(),
        "numpy": version_of("numpy"),
        "system_opencv": system_opencv(),
        "engine_cache": _engine_cache(),
        "memory": memory(),
        "vnni": vnni(),
        "cameras": cameras(),
        **answers,
    }


def _engine_cache() -> dict[str, Any]:
    try:
        return {"folder": str(cache_path()), "free_bytes": free_bytes(cache_path())}
    except InputError as error:
        return {"folder": error.cause, "free_bytes": None}


def system_opencv(root: Path = ROOT) -> str | None:
    """Return the file of the OpenCV that the system's packages brought, JetPack's on a Jetson; None without one."""
    folders = root.glob("usr/lib/python3*/dist-packages")
    found = [path for folder in folders for path in (*folder.glob("cv2/__init__.py"), *folder.glob("cv2*.so"))]
    return str(min(found)) if found else None


def cameras(root: Path = ROOT) -> list[str]:
    """Return the V4L2 devices, and the socket of a Jetson's daemon for CSI cameras where it runs."""
    found = [*sorted(root.glob("dev/video*")), root / "tmp/argus_socket"]
    return [f"/{path.relative_to(root).as_posix()}" for path in found if path.exists()]


def memory(root: Path = ROOT) -> dict[str, int] | None:
    """Return the free bytes of memory and of swap, None where the system does not tell."""
    text = Tree(root).text("proc/meminfo") or ""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    values = {
        key: lines.get(name) for key, name in (("available_bytes", "MemAvailable"), ("swap_free_bytes", "SwapFree"))
    }
    if None in values.values():
        return None
    return {key: int(str(value).split()[0]) << 10 for key, value in values.items()}


def vnni(root: Path = ROOT) -> bool | None:
    """Return whether an x86 processor sums products of int8 in one instruction; None where it does not tell."""
    text = Tree(root).text("proc/cpuinfo") or ""
    flags = next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), None)
    return None if flags is None else bool({"avx512_vnni", "avx_vnni"} & set(flags))


def has_nvidia_card(devices: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Return whether a PCI card of NVIDIA is in this machine, with or without a driver."""
    for vendor in devices.glob("*/vendor"):
        with suppress(OSError):
            if vendor.read_text().strip() == NVIDIA:
                return True
    return False


def ask(name: str) -> dict[str, Any] | None:
    """Return a library's answer, None where it is not installed; ``{"problem": text}`` where it does not load."""
    module, _ = PROBES[name]
    if find_spec(module) is None or (name == "cuda-bindings" and find_spec("cuda.bindings") is None):
        return None
    command = [sys.executable, "-m", "edgessd.doctor.probe", name]
    # The probe must see the same modules as this process, wherever it was started.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"does not answer within {PROBE_SECONDS:.0f} s"}
    if done.returncode < 0:
        return {"problem": f"kills the process that loads it ({signal.Signals(-done.returncode).name})"}
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode:
        return {"problem": lines[-1] if lines else f"ends with exit code {done.returncode}"}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer
