"""A torchvision model through import and export: ONNX Runtime finds what torchvision's own model finds."""

from pathlib import Path

import pytest
import torch
from torchvision_peer import BUILDERS, assert_same, peer, photos, pixels_of, settings_of

from edgessd import Detector
from edgessd.commands.cli import run


@pytest.mark.parametrize("size", [300, 320])
def test_the_same_detections_as_torchvision_on_ten_photographs(size: int, tmp_path: Path) -> None:
    images = photos(size)
    model = peer(size, pixels_of(images))
    weights, checkpoint, exported = (tmp_path / f"{BUILDERS[size]}{suffix}" for suffix in (".pth", ".pt", ".onnx"))
    torch.save(model.state_dict(), weights)
    assert run(["import", "torchvision", str(weights), "--out", str(checkpoint)]) == 0
    assert run(["export", str(checkpoint), "--out", str(exported)]) == 0
    with torch.inference_mode():
        theirs = model(pixels_of(images))
    with Detector(exported, backend="onnxruntime", settings=settings_of(model)) as detector:
        ours = [detector.detect(image) for image in images]
    assert sum(map(len, ours)) > 500
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)
