"""The machine's facts as rows of text, for the doctor's table and the self-test's report."""

from typing import Any

from edgessd.device.format import hottest
from edgessd.doctor.facts import Facts

# What was measured with the shipped models (docs/reference/models.md).
VNNI = "VNNI: picodet_s_voc_336_int8 in OpenVINO takes about 0.8 of the time of the default, which is fp32"
NO_VNNI = "no VNNI: int8 is no faster than fp32 here, so the default, fp32, is the right one"


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
        "cameras": ", ".join(facts["cameras"]) or "none of this machine's own",
    }
    if facts["vnni"] is not None:
        lines["INT8"] = VNNI if facts["vnni"] else NO_VNNI
    jetson = facts["jetson"]
    if jetson:
        lines["Jetson"] = (
            f"{jetson['board']}, JetPack {jetson['jetpack'] or 'not installed as a package'}, L4T {jetson['l4t']}, "
            f"power mode {jetson['power_mode'] or 'unknown'}"
        )
        lines |= _board(jetson, facts["board"])
    return lines


def _board(jetson: dict[str, Any], board: dict[str, Any]) -> dict[str, str]:
    """Return clocks, power and heat of a Jetson, as far as it tells them."""
    clocks = [_clock(name, clock) for name, clock in jetson["clocks"].items()]
    lines = {"clocks": ", ".join(clocks)} if clocks else {}
    if "power_w" in board:
        lines["power"] = f"{board['power_w']:.2f} W ({board['power_of']})"
    if (heat := hottest(board)) is not None:
        lines["temperature"] = f"{heat[0]:.1f} degrees C ({heat[1]})"
    if events := {name: count for name, count in board.get("over_current", {}).items() if count}:
        lines["over-current"] = (
            ", ".join(f"{name} {count} times" for name, count in events.items()) + " since the start"
        )
    if denied := board.get("not_readable"):
        lines["not readable"] = ", ".join(denied)
    return lines


def _clock(name: str, clock: dict[str, Any]) -> str:
    now, highest, hardware = (
        "?" if clock[key] is None else f"{clock[key]:.0f}" for key in ("now", "highest", "hardware")
    )
    possible = f", {hardware} possible" if clock["capped"] else ""
    return f"{name} {now} of {highest} MHz{possible}{' (locked)' if clock['locked'] else ''}"


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
