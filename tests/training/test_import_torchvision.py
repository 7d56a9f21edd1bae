"""torchvision's SSDs imported: the same detections as its own models, on real images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision_peer import (
    BUILDERS,
    assert_same,
    peer,
    photos,
    pixels_of,
    settings_of,
    torchvision_detection,
)

from edgessd.errors import InputError
from edgessd.model.detections import Detections
from edgessd.model.postprocess import RawDecoder
from edgessd.model.priors import generate
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.labels import COCO_90
from edgessd_training.importers.torchvision import import_torchvision
from edgessd_training.networks.ssd import scores_from


def run_ours(checkpoint: Checkpoint, model: nn.Module, images: list[np.ndarray]) -> list[Detections]:
    card = checkpoint.card
    decode = RawDecoder(card, generate(card.priors), settings_of(model))
    with torch.inference_mode():
        offsets, logits = checkpoint.network(torch.from_numpy(np.stack(images)))
        scores = scores_from(logits, card.activation)
    return [decode(o, s, card.height, card.width) for o, s in zip(offsets.numpy(), scores.numpy(), strict=True)]


@pytest.mark.parametrize("size", [300, 320])
def test_the_same_detections_as_torchvision_on_ten_photographs(size: int, tmp_path: Path) -> None:
    images = photos(size)
    model = peer(size, pixels_of(images))
    path = tmp_path / f"{BUILDERS[size]}.pth"
    torch.save(model.state_dict(), path)
    checkpoint = import_torchvision(path)
    assert checkpoint.card.labels == COCO_90
    with torch.inference_mode():
        theirs = model(pixels_of(images))
    ours = run_ours(checkpoint, model, images)
    assert sum(len(detections) for detections in ours) > 500
    assert sum(float(detections.scores.max()) > 0.05 for detections in ours if len(detections)) >= 3
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)


def test_a_partial_file_is_refused(tmp_path: Path) -> None:
    model = torchvision_detection().ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    weights = model.state_dict()
    del weights["backbone.features.1.0.1.0.weight"]
    torch.save(weights, tmp_path / "partial.pth")
    with pytest.raises(InputError, match=r"1 missing \(backbone\.features\.1\.0\.1\.0\.weight\)"):
        import_torchvision(tmp_path / "partial.pth")


def test_the_full_tail_of_a_training_from_imagenet_is_recognised(tmp_path: Path) -> None:
    detection = torchvision_detection()
    mobilenet = pytest.importorskip("torchvision.models.mobilenetv3")
    model = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    full = mobilenet.mobilenet_v3_large(weights=None)
    model.backbone = detection.ssdlite._mobilenet_extractor(full, 6, nn.BatchNorm2d)
    head_maps = [672, 960, 512, 256, 256, 128]
    model.head = detection.ssdlite.SSDLiteHead(head_maps, [6] * 6, 21, nn.BatchNorm2d)
    torch.save(model.state_dict(), tmp_path / "full.pth")
    checkpoint = import_torchvision(tmp_path / "full.pth")
    assert checkpoint.description["reduced_tail"] is False
    assert len(checkpoint.card.labels) == 20
