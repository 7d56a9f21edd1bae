"""Asks one library about itself: ``python -m edgessd.doctor.probe NAME`` prints JSON.

It runs in a process of its own, because a broken native library may end the process that imports it.
"""

import ctypes
import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import Any

from edgessd.util.extras import version_of

RUNTIME_LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")


def opencv() -> dict[str, Any]:
    """Return OpenCV's version and what it reads videos with."""
    cv2 = import_module("cv2")
    text = cv2.getBuildInformation()

    def has(feature: str) -> bool:
        return bool(re.search(rf"^\s*{feature}:\s+YES", text, re.MULTILINE))

    window = re.search(r"^\s*(GTK\+|QT|Wayland|Cocoa):\s+YES", text, re.MULTILINE)
    return {
        "version": cv2.__version__,
        "gstreamer": has("GStreamer"),
        "ffmpeg": has("FFMPEG"),
        "windows": window.group(1) if window else None,
        "file": cv2.__file__,
    }


def onnxruntime() -> dict[str, Any]:
    """Return ONNX Runtime's version and providers."""
    runtime = import_module("onnxruntime")
    return {"version": runtime.__version__, "providers": list(runtime.get_available_providers())}


def openvino() -> dict[str, Any]:
    """Return OpenVINO's version and devices."""
    module = import_module("openvino")
    return {"version": module.__version__.split("-")[0], "devices": list(module.Core().available_devices)}


def cuda() -> dict[str, Any]:
    """Return the driver's CUDA version and devices, and the runtime library's version where one is found."""
    from edgessd.backends.cuda.library import state

    return {**asdict(state()), "runtime_version": runtime_version()}


def runtime_version() -> str | None:
    """Return the version of the toolkit's libcudart, None where the loader finds none; most wheels bring their own."""
    for name in RUNTIME_LIBRARIES:
        with suppress(OSError):
            number = ctypes.c_int()
            if ctypes.CDLL(name).cudaRuntimeGetVersion(ctypes.byref(number)) == 0:
                return f"{number.value // 1000}.{number.value % 1000 // 10}"
    return None


def tensorrt() -> dict[str, Any]:
    """Return TensorRT's version; nothing of it is called, which may kill a process without a driver."""
    return {"version": import_module("tensorrt").__version__}


def tensorrt_rtx() -> dict[str, Any]:
    """Return TensorRT-RTX's version."""
    return {"version": import_module("tensorrt_rtx").__version__}


def pycuda() -> dict[str, Any]:
    """Return pycuda's version, once its driver module has loaded."""
    import_module("pycuda.driver")
    return {"version": ".".join(str(part) for part in import_module("pycuda").VERSION)}


def cuda_bindings() -> dict[str, Any]:
    """Return the version of cuda-bindings."""
    import_module("cuda.bindings.driver")
    return {"version": version_of("cuda-bindings") or "unknown"}


PROBES: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {  # what is asked: its module and its question
    "opencv": ("cv2", opencv),
    "onnxruntime": ("onnxruntime", onnxruntime),
    "openvino": ("openvino", openvino),
    "cuda": ("edgessd", cuda),
    "tensorrt": ("tensorrt", tensorrt),
    "tensorrt_rtx": ("tensorrt_rtx", tensorrt_rtx),
    "pycuda": ("pycuda", pycuda),
    "cuda-bindings": ("cuda", cuda_bindings),
}

if __name__ == "__main__":
    answer = PROBES[sys.argv[1]][1]()
    sys.stdout.write("\n" + json.dumps(answer))
