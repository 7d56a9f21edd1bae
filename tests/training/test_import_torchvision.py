"""torchvision's SSDs imported: the same detections as its own models, on real images.

Its published files were never at hand: its models are built with random weights. Both sides see the same
pixels, resized by our preprocessing; torchvision's own resize then finds nothing left to do.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision_peer import torchvision_detection

from edgessd.detections import Detections
from edgessd.errors import InputError
from edgessd.postprocess import PostProcess, RawDecoder
from edgessd.preprocess import to_input
from edgessd.priors import generate
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.importers.labels import COCO_90
from edgessd_training.importers.torchvision import import_torchvision
from edgessd_training.networks.ssd import scores_from

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "voc07" / "JPEGImages"
BUILDERS = {300: "ssd300_vgg16", 320: "ssdlite320_mobilenet_v3_large"}
COLUMNS = 91


def photos(size: int) -> list[np.ndarray]:
    paths = sorted(PHOTOS.glob("*.jpg"))[:10]
    if len(paths) < 10:
        pytest.skip("no photographs in ../shared/data/voc07")
    return [to_input(cv2.imread(str(path)), size, size) for path in paths]


def peer(size: int, pixels: list[Tensor]) -> nn.Module:
    """Return torchvision's model with random weights of a size that gives some hundred likely boxes an image."""
    detection = torchvision_detection()
    torch.manual_seed(0)
    model = getattr(detection, BUILDERS[size])(weights=None, weights_backbone=None)
    with torch.no_grad():
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        if norms:  # fresh statistics let the signal die out in 60 layers: take those of the images
            for norm in norms:
                norm.momentum = None
            model.train().head(list(model.backbone(model.transform(pixels)[0].tensors).values()))
        for name, weight in model.head.named_parameters():
            classifies = "classification" in name
            if weight.shape[0] % COLUMNS == 0 and classifies:
                if weight.ndim == 4 and size == 300:
                    weight.mul_(0.35)
                elif weight.ndim == 1:
                    weight.view(-1, COLUMNS)[:, 0] = 10 if size == 300 else 7  # the background is likely
            elif not classifies and weight.shape[0] in (16, 24):
                weight.mul_(0.05 if size == 300 else 0.2)
    return model.eval()


def run_ours(checkpoint: Checkpoint, model: nn.Module, images: list[np.ndarray]) -> list[Detections]:
    card = checkpoint.card
    # Only here does every setting of torchvision's post-processing have a name of ours.
    settings = PostProcess(model.score_thresh, model.topk_candidates, model.detections_per_img, model.nms_thresh)
    decode = RawDecoder(card, generate(card.priors), settings)
    with torch.inference_mode():
        offsets, logits = checkpoint.network(torch.from_numpy(np.stack(images)))
        scores = scores_from(logits, card.activation)
    return [decode(o, s, card.height, card.width) for o, s in zip(offsets.numpy(), scores.numpy(), strict=True)]


def assert_same(ours: Detections, theirs: dict[str, Tensor]) -> None:
    """Every detection of theirs is one of ours, of the same class: box to 0.5 px, score to 1e-3; none is left."""
    left = set(range(len(ours)))
    assert len(ours) == len(theirs["boxes"])
    for box, score, label in zip(*(theirs[key].numpy() for key in ("boxes", "scores", "labels")), strict=True):
        same = [
            k
            for k in left
            if ours.classes[k] == label - 1
            and np.abs(ours.boxes_xyxy[k] - box).max() <= 0.5
            and abs(ours.scores[k] - score) <= 1e-3
        ]
        assert same, f"torchvision alone has {box} class {label} score {score}"
        left.remove(min(same, key=lambda k: np.abs(ours.boxes_xyxy[k] - box).max()))
    assert not left


def pixels_of(images: list[np.ndarray]) -> list[Tensor]:
    return [torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1) / 255 for image in images]


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
