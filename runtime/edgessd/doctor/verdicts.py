"""From the machine's facts to a verdict on every backend: it runs, or what is missing and the next command."""

from dataclasses import dataclass

from edgessd.doctor.facts import Facts
from edgessd.util.extras import install_command, pip_install

EXTRAS = {"onnxruntime": "cpu", "onnxruntime (CUDA)": "gpu", "openvino": "openvino", "tensorrt": "tensorrt"}
NEED_CUDA = ("onnxruntime (CUDA)", "tensorrt")
JETSON_PYTHON = "python3 -m venv --system-site-packages .venv"


@dataclass(frozen=True)
class Verdict:
    """backend: as ``--backend`` takes it, its variant in brackets. reason: why it runs or what is missing.

    command: what to run next, None where nothing is to be done.
    """

    backend: str
    runs: bool
    reason: str
    command: str | None = None


def verdicts(facts: Facts) -> list[Verdict]:
    """Return the verdict on every backend; all need OpenCV."""
    found = [_onnxruntime_cpu(facts), _onnxruntime_cuda(facts), _openvino(facts), _tensorrt(facts)]
    opencv = _fault(facts, "opencv")
    if opencv is None:
        return found
    return [
        one
        if one.backend in NEED_CUDA and facts["cuda"]["problem"]
        else Verdict(one.backend, False, f"OpenCV {opencv}", _opencv_command(facts, one.backend))
        for one in found
    ]


def can_detect(found: list[Verdict]) -> bool:
    """Return whether any backend runs."""
    return any(verdict.runs for verdict in found)


def video_note(facts: Facts) -> str | None:
    """Return what OpenCV cannot read here, None where it reads files and cameras."""
    opencv = facts["opencv"]
    if not opencv or "problem" in opencv:
        return None
    if facts["jetson"] and not opencv["gstreamer"]:
        return (
            f"this OpenCV ({opencv['file']}) has no GStreamer, so CSI cameras and the hardware decoder are out of "
            f"reach: pip uninstall opencv-python opencv-python-headless, then use JetPack's ({JETSON_PYTHON})"
        )
    if not opencv["ffmpeg"] and not opencv["gstreamer"]:
        return f"this OpenCV reads no videos (neither FFmpeg nor GStreamer): {pip_install('opencv-python')}"
    return None


def _fault(facts: Facts, name: str) -> str | None:
    """Return what is wrong with a library, None where it loads."""
    answer = facts[name]
    if answer is None:
        return "is not installed"
    return str(answer["problem"]) if answer.get("problem") else None


def wants_numpy_1(facts: Facts) -> bool:
    """Return whether OpenCV does not load because it was built for NumPy 1."""
    problem = str((facts["opencv"] or {}).get("problem", ""))
    return "_ARRAY_API" in problem or "numpy.core.multiarray" in problem


def _opencv_command(facts: Facts, backend: str) -> str:
    if wants_numpy_1(facts):
        return pip_install("numpy<2")
    return f"{JETSON_PYTHON}  (JetPack's OpenCV)" if facts["jetson"] else install_command(EXTRAS[backend])


def _onnxruntime_cpu(facts: Facts) -> Verdict:
    fault = _fault(facts, "onnxruntime")
    if fault:
        # The extra would bring pip's OpenCV, which shadows JetPack's.
        command = pip_install("onnxruntime") if facts["jetson"] else install_command("cpu")
        return Verdict("onnxruntime", False, f"ONNX Runtime {fault}", command)
    return Verdict("onnxruntime", True, f"ONNX Runtime {facts['onnxruntime']['version']} on {facts['cores']} cores")


def _onnxruntime_cuda(facts: Facts) -> Verdict:
    name = "onnxruntime (CUDA)"
    if facts["cuda"]["problem"]:
        return without_cuda(name, facts)
    fault = _fault(facts, "onnxruntime")
    providers = [] if fault else facts["onnxruntime"]["providers"]
    if "CUDAExecutionProvider" not in providers:
        if facts["jetson"]:
            return Verdict(name, False, "pip's ONNX Runtime has no CUDA for a Jetson; TensorRT is the way here")
        return Verdict(
            name,
            False,
            f"ONNX Runtime {fault or 'was built without CUDA'}",
            f"pip uninstall -y onnxruntime; {install_command('gpu')}",
        )
    return Verdict(name, True, f"ONNX Runtime {facts['onnxruntime']['version']} offers the CUDA provider")


def without_cuda(name: str, facts: Facts) -> Verdict:
    """Return the verdict on a backend that needs CUDA where CUDA does not start."""
    cuda = facts["cuda"]
    if cuda.get("driver", True):  # a probe that died tells its problem alone
        return Verdict(name, False, str(cuda["problem"]), cuda.get("fix"))
    if facts["jetson"]:
        return Verdict(name, False, "no driver is visible in this container", "docker run --runtime nvidia ...")
    if facts["nvidia_gpu"]:
        install = "sudo ubuntu-drivers install && sudo reboot  (in a container: docker run --gpus all ...)"
        return Verdict(name, False, "there is an NVIDIA GPU, but no driver is visible", install)
    return Verdict(name, False, "this machine has no NVIDIA GPU")


def _openvino(facts: Facts) -> Verdict:
    fault = _fault(facts, "openvino")
    if fault:
        return Verdict("openvino", False, f"OpenVINO {fault}", install_command("openvino"))
    return Verdict("openvino", True, f"OpenVINO {facts['openvino']['version']} on {facts['cores']} cores")


def _tensorrt(facts: Facts) -> Verdict:
    if facts["cuda"]["problem"]:
        return without_cuda("tensorrt", facts)
    device = facts["cuda"]["devices"][0]
    module = next((name for name in ("tensorrt", "tensorrt_rtx") if _fault(facts, name) is None), None)
    if module is None:
        broken = next((name for name in ("tensorrt", "tensorrt_rtx") if facts[name]), None)
        reason = f"{broken} {_fault(facts, broken)}" if broken else "no TensorRT module is installed"
        return Verdict("tensorrt", False, reason, _tensorrt_command(facts))
    library = next((name for name in ("pycuda", "cuda-bindings") if _fault(facts, name) is None), None)
    if library is None:
        broken = next((name for name in ("pycuda", "cuda-bindings") if facts[name]), None)
        reason = f"{broken} {_fault(facts, broken)}" if broken else "neither pycuda nor cuda-bindings is installed"
        major = str(facts["cuda"]["driver_version"]).split(".")[0]
        return Verdict("tensorrt", False, reason, pip_install(f"cuda-bindings=={major}.*"))
    version, at_hand = facts[module]["version"], facts[library]["version"]
    reason = f"{module} {version} with {library} {at_hand} on {device['name']}"
    made_for, driver = at_hand.split(".")[0], str(facts["cuda"]["driver_version"]).split(".")[0]
    if library == "cuda-bindings" and made_for.isdecimal() and int(made_for) > int(driver):
        reason += f"; these bindings are made for drivers of CUDA {made_for}, here is {driver}"
        return Verdict("tensorrt", True, reason, pip_install(f"cuda-bindings=={driver}.*"))
    return Verdict("tensorrt", True, reason)


def _tensorrt_command(facts: Facts) -> str:
    if facts["jetson"]:
        return f"sudo apt install python3-libnvinfer; {JETSON_PYTHON}"
    return f"{install_command('tensorrt')}  (an RTX card: the extra rtx)"
