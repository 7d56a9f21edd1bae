"""The kinds of machine that a model is deployed to, and what each takes."""

from dataclasses import dataclass

from edgessd.errors import InputError


@dataclass(frozen=True)
class Target:
    """name: as --for takes it. precisions: those tried, the best first. contract: what leaves the graph.

    int8: the variant of int8. module: the TensorRT that builds its engine, None for none. says: for the README.
    """

    name: str
    precisions: tuple[str, ...]
    contract: str
    int8: str = "cpu"
    module: str | None = None
    float_input: str = "uint8"
    says: str = ""


TARGETS = {
    target.name: target
    for target in (
        Target("cpu", ("int8", "fp32"), "raw", says="a computer without a GPU, or a small Arm board"),
        Target("jetson", ("fp16",), "compact", "tensorrt", "tensorrt", says="an NVIDIA Jetson with JetPack"),
        Target("rtx", ("fp16",), "compact", "tensorrt", "tensorrt_rtx", says="a PC with an NVIDIA RTX GPU"),
        Target("triton", ("fp32",), "end2end", "tensorrt", says="NVIDIA Triton, a folder of its model repository"),
        Target("web", ("fp32",), "end2end", float_input="float32-nchw-rgb", says="a browser, with onnxruntime-web"),
    )
}
PRECISIONS = ("auto", "fp32", "fp16", "int8")


def target_for(name: str, precision: str) -> tuple[Target, tuple[str, ...]]:
    """Return the target and the precisions to try. Raises InputError for what does not exist or goes nowhere."""
    if name not in TARGETS:
        raise InputError(f"--for is one of {', '.join(TARGETS)}, got {name!r}")
    if precision not in PRECISIONS:
        raise InputError(f"--precision is one of {', '.join(PRECISIONS)}, got {precision!r}")
    target = TARGETS[name]
    if precision == "auto":
        return target, target.precisions
    if precision == "fp16" and name == "cpu":
        raise InputError("CPUs compute fp16 slowly", fix="leave --precision out, or take int8 or fp32")
    if name == "web" and precision != "fp32":
        raise InputError(f"--for web writes fp32, got --precision {precision}", fix="leave it out")
    return target, (precision,)
