"""torchvision as a peer to compare with; its Linux wheels do not import beside a CPU build of torch.

Its published files were never at hand: its models are built with random weights. Both sides see the same
pixels, resized by our preprocessing; torchvision's own resize then finds nothing left to do.
"""

from contextlib import suppress
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd.model.postprocess import PostProcess
from edgessd.model.preprocess import to_input

PHOTOS = Path(__file__).parents[1].parent / "shared" / "data" / "voc07" / "JPEGImages"
BUILDERS = {300: "ssd300_vgg16", 320: "ssdlite320_mobilenet_v3_large"}
COLUMNS = 91


def torchvision_detection() -> ModuleType:
    """Return ``torchvision.models.detection``, or skip the test with the reason."""
    with suppress(ImportError):
        import tvshim  # noqa: F401  stands in for the CUDA libraries where torch is the CPU build
    try:
        from torchvision.models import detection
    # torchvision raises RuntimeError for a missing operator, ImportError or OSError for missing libraries
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchvision does not import beside this torch: {str(error)[:100]}")
    return detection


def photos(size: int) -> list[np.ndarray]:
    """Return ten photographs, (size, size, 3) uint8 BGR, or skip the test."""
    paths = sorted(PHOTOS.glob("*.jpg"))[:10]
    if len(paths) < 10:
        pytest.skip("no photographs in ../shared/data/voc07")
    return [to_input(cv2.imread(str(path)), size, size) for path in paths]


def pixels_of(images: list[np.ndarray]) -> list[Tensor]:
    """Return images as torchvision takes them: (3, H, W) float32 RGB in 0..1."""
    return [torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1) / 255 for image in images]


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


def settings_of(model: nn.Module) -> PostProcess:
    """Return the settings of a torchvision model's post-processing; every one of them has a name of ours."""
    return PostProcess(model.score_thresh, model.topk_candidates, model.detections_per_img, model.nms_thresh)


def assert_same(ours: Detections, theirs: dict[str, Tensor]) -> None:
    """Every detection of theirs is one of ours, of the same class: box to 0.5 px, score to 1e-3; none is left.

    Two candidates whose scores agree to 1e-6 change places by rounding, and NMS keeps the other one: that counts too.
    """
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
        if not same:
            same = [
                k
                for k in left
                if ours.classes[k] == label - 1
                and abs(ours.scores[k] - score) <= 1e-6
                and iou(ours.boxes_xyxy[k : k + 1], box[None]) > 0.5
            ]
        assert same, f"torchvision alone has {box} class {label} score {score}"
        left.remove(min(same, key=lambda k: np.abs(ours.boxes_xyxy[k] - box).max()))
    assert not left
