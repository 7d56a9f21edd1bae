"""The machine's facts as rows of text, for the doctor's table and the self-test's report."""

from typing import Any

from edgessd.diagnosis.facts import Facts


def rows(facts: Facts) -> dict[str, str]:
    """Return one line a fact, without any user's paths but the interpreter's and OpenCV's."""
    lines = {
        "edgessd": facts["edgessd"],
        "python": f"{facts['python']} ({facts['executable']})",
        "system": f"{facts['system']}, {facts['cores']} cores",
        "OpenCV": _library(facts["opencv"], _opencv),
        "ONNX Runtime": _library(facts["onnxruntime"], lambda found: f"({', '.join(_providers(found))})"),
        "OpenVINO": _library(facts["openvino"], lambda found: f"({', '.join(found['devices'])})"),
        "CUDA driver": _cuda(facts["cuda"]),
        "CUDA runtime": facts["cuda"].get("runtime_version") or "none for the loader (wheels bring their own)",
        "TensorRT": _library(facts["tensorrt"]),
        "TensorRT-RTX": _library(facts["tensorrt_rtx"]),
        "pycuda": _library(facts["pycuda"]),
        "cuda-bindings": _library(facts["cuda-bindings"]),
    }
    jetson = facts["jetson"]
    if jetson:
        lines["Jetson"] = (
            f"{jetson['board']}, JetPack {jetson['jetpack'] or 'not installed as a package'}, L4T {jetson['l4t']}, "
            f"power mode {jetson['power_mode'] or 'unknown'}"
        )
    return lines


def _library(found: dict[str, Any] | None, details: Any = lambda found: "") -> str:
    if found is None:
        return "not installed"
    if "problem" in found:
        return f"does not load: {found['problem']}"
    return f"{found['version']} {details(found)}".strip()


def _opencv(found: dict[str, Any]) -> str:
    readers = [name for name in ("FFmpeg", "GStreamer") if found[name.lower()]]
    windows = f"windows by {found['windows']}" if found["windows"] else "no windows"
    return f"(videos by {' and '.join(readers) or 'nothing'}; {windows}; {found['file']})"


def _providers(found: dict[str, Any]) -> list[str]:
    return [name.removesuffix("ExecutionProvider") for name in found["providers"]]


def _cuda(found: dict[str, Any]) -> str:
    if found.get("problem"):
        return str(found["problem"])
    devices = ", ".join(
        f"{device['name']} (compute capability {device['compute_capability']}, "
        f"{device['memory_bytes'] / 2**30:.1f} GiB{', shared with the CPU' if device['integrated'] else ''})"
        for device in found["devices"]
    )
    return f"for CUDA {found['driver_version']}: {devices}"
