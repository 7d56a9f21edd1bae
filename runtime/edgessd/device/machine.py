"""What a measurement was taken on: processor, board, JetPack, GPU and the versions of what computes."""

import platform
from pathlib import Path
from typing import Any

import cv2

from edgessd.device import ROOT
from edgessd.device.power_mode import power_mode
from edgessd.device.release import board_name, jetpack_of, l4t
from edgessd.device.text_tree import Tree
from edgessd.util.cores import usable_cores
from edgessd.util.extras import version_of

COMPUTING = (
    "edgessd",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
    "pycuda",
    "cuda-bindings",
)


def machine(root: Path = ROOT) -> dict[str, Any]:
    """Return processor, cores, system and versions; board, L4T, JetPack and power mode on a Jetson alone.

    root: where the board's own files lie.
    """
    facts = {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in COMPUTING if (found := version_of(name))} | {"opencv": cv2.__version__},
    }
    tree = Tree(root)
    release, mode = l4t(tree), power_mode(tree)
    told = {
        "board": board_name(tree),
        "l4t": release,
        "jetpack": jetpack_of(release),
        "power_mode": mode.name or str(mode.number) if mode else None,
        "nvidia_driver": tree.text("sys/module/nvidia/version"),
    }
    return facts | {name: value for name, value in told.items() if value is not None}


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
