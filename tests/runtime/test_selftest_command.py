"""``edgessd selftest``: every backend here on the tiny model, wrong numbers found, wrong input refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgessd.errors import BackendError

Command = Callable[..., tuple[int, str, str]]


def test_every_backend_here_agrees_with_the_card(edgessd: Command, tiny: Path, tmp_path: Path) -> None:
    code, out, _ = edgessd("selftest", tiny, "--json", tmp_path / "report.json")
    assert code == 0
    assert "onnxruntime" in out
    assert "model: tiny, fp32, raw, tiny.onnx, sha256" in out
    trials = json.loads((tmp_path / "report.json").read_text())["trials"]
    assert trials
    assert not [trial for trial in trials if trial["error"] or trial["difference"] > trial["tolerance"]]


@pytest.fixture
def known_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the seconds that asking every library takes."""
    absent = ("openvino", "tensorrt", "tensorrt_rtx", "pycuda", "cuda-bindings", "jetson")
    facts = {
        **dict.fromkeys(absent),
        **{
            "edgessd": "0.1.0",
            "python": "3.10.12",
            "executable": "python3",
            "system": "Linux",
            "cores": 2,
            "board": {},
            "cameras": [],
            "vnni": None,
        },
        "nvidia_gpu": False,
        "cuda": {"problem": "no NVIDIA driver here", "fix": None, "driver": False, "devices": []},
        "opencv": {"version": "4.8.0", "gstreamer": True, "ffmpeg": True, "windows": None, "file": "cv2.so"},
        "onnxruntime": {"version": "1.22", "providers": ["CPUExecutionProvider"]},
    }
    monkeypatch.setattr("edgessd.doctor.facts.gather", lambda: facts)


@pytest.mark.usefixtures("known_machine")
def test_one_backend_alone(edgessd: Command, tiny: Path) -> None:
    code, out, _ = edgessd("selftest", tiny, "--backend", "onnxruntime")
    assert code == 0
    assert ": ok (self-test off by" in out
    assert "openvino 2" not in out.lower().split("model:")[1]


@pytest.mark.usefixtures("known_machine")
def test_wrong_numbers_are_found(edgessd: Command, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgessd.doctor.trial.worst_difference", lambda card, outputs: 0.5)

    def wrong(card: object, outputs: object, *, engine: str) -> None:
        raise BackendError(f"{engine} computes tiny wrongly: its self-test is off by 0.5")

    monkeypatch.setattr("edgessd.doctor.trial.check", wrong)
    code, out, err = edgessd("selftest", tiny, "--backend", "onnxruntime")
    assert code == 1
    assert "FAILED (self-test off by 0.5" in out
    assert "the self-test failed on onnxruntime" in err


@pytest.mark.usefixtures("known_machine")
def test_a_backend_that_cannot_run_says_why(edgessd: Command, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # no GPU, on a machine with one too
    code, out, _ = edgessd("selftest", tiny, "--backend", "tensorrt")
    assert code == 1
    assert "tensorrt: FAILED" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.onnx"], "no model file at no.onnx"),
        (["{tiny}", "--backend", "tensor"], "unknown backend 'tensor'"),
        (["{tiny}", "--json", "/no/such/folder/r.json"], "does not exist"),
    ],
)
def test_wrong_input_is_refused(edgessd: Command, tiny: Path, arguments: list[str], said: str) -> None:
    code, _, err = edgessd("selftest", *[argument.replace("{tiny}", str(tiny)) for argument in arguments])
    assert code == 2
    assert said in err
