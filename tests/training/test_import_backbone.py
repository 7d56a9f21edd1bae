"""ImageNet weights into backbones: torchvision's MobileNetV2 for real, VGG16 by its published names."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision_peer import torchvision_detection

from edgessd.errors import InputError
from edgessd_training.importers.backbone import load_backbone, vgg16_from_classifier
from edgessd_training.networks import build
from edgessd_training.networks.vgg16 import STAGES

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MOBILENET_V2 = DATA / "weights" / "mobilenet_v2-b0353104.pth"
needs_weights = pytest.mark.skipif(not MOBILENET_V2.is_file(), reason="no mobilenet_v2 in ../shared/data/weights")


@needs_weights
def test_mobilenet_v2_computes_torchvisions_features_on_a_photograph() -> None:
    torchvision_detection()
    peer = pytest.importorskip("torchvision.models").mobilenet_v2(weights=None)
    peer.load_state_dict(torch.load(MOBILENET_V2, weights_only=True))
    network = build({"family": "ssdlite_mobilenet_v2", "classes": 3, "input_size": [256, 320]}).eval()
    load_backbone(network, MOBILENET_V2)
    photo = cv2.resize(cv2.imread(str(next(iter(sorted((DATA / "voc07" / "JPEGImages").glob("*.jpg")))))), (320, 256))
    pixels = torch.from_numpy(photo[:, :, ::-1].copy()).permute(2, 0, 1)[None] / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        theirs = peer.eval().features((pixels - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1))
        ours = network.backbone(network.normalise(torch.from_numpy(photo[None])))[1]
    assert ours.shape == theirs.shape == (1, 1280, 8, 10)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@needs_weights
def test_a_classifiers_file_fits_its_own_backbone_alone(tmp_path: Path) -> None:
    for family, width in (("ssdlite_mobilenet_v2", 0.5), ("ssdlite_mobilenet_v3_large", 1.0)):
        with pytest.raises(InputError, match="do not fit"):
            load_backbone(build({"family": family, "classes": 1, "width": width}), MOBILENET_V2)
    for family in ("ssd_mobilenet_v1", "qfgaohao_mb2_ssd_lite"):
        with pytest.raises(InputError, match="no ImageNet file is known"):
            load_backbone(build({"family": family, "classes": 1}), MOBILENET_V2)
    renamed = tmp_path / "mobilenet_v2-7ebf99e0.pth"
    renamed.write_bytes(MOBILENET_V2.read_bytes())
    with pytest.raises(InputError, match="7ebf99e0"):
        load_backbone(build({"family": "ssdlite_mobilenet_v2", "classes": 1}), renamed)


def vgg16_features() -> dict[str, Tensor]:
    weights, inputs, number = {}, 3, 0
    for stage in STAGES:
        for outputs in stage:
            weights[f"features.{number}.weight"] = torch.full((outputs, inputs, 3, 3), float(number + 1))
            weights[f"features.{number}.bias"] = torch.full((outputs,), float(number + 1))
            inputs, number = outputs, number + 2
        number += 1  # the pooling after a stage has a number too
    return weights


def test_vgg16s_fully_connected_layers_are_subsampled_into_convolutions() -> None:
    # fc6's value is 10,000 y + 100 x at the cell (y, x) of pool5, plus its output's number modulo 100.
    y, x = np.mgrid[:7, :7]
    cells = torch.from_numpy((10_000 * y + 100 * x).astype(np.float32))
    fc6 = (torch.arange(4096) % 100).reshape(-1, 1, 1, 1) + cells.expand(4096, 512, 7, 7)
    features = vgg16_from_classifier(
        {
            "classifier.0.weight": fc6.reshape(4096, -1),
            "classifier.0.bias": torch.arange(4096.0),
            "classifier.3.weight": torch.arange(4096.0)[:, None] + torch.arange(4096.0)[None] / 4096,
            "classifier.3.bias": -torch.arange(4096.0),
        }
    )
    # Every third cell and every fourth channel: rows 0, 3, 6; outputs 0, 4, 8, ...
    assert features["conv6.weight"].shape == (1024, 512, 3, 3)
    assert features["conv6.weight"][2, 5].tolist() == [[30_000 * r + 300 * c + 8 for c in range(3)] for r in range(3)]
    assert features["conv6.bias"][:3].tolist() == [0, 4, 8]
    assert features["conv7.weight"].shape == (1024, 1024, 1, 1)
    assert features["conv7.weight"][1, 2, 0, 0] == 4 + 8 / 4096
    assert features["conv7.bias"][2] == -8


def classifier(value: float) -> dict[str, Tensor]:
    """Return VGG16's fully connected layers, all of one value, which is all that lies in the file."""
    shapes = {"0.weight": (4096, 25088), "0.bias": (4096,), "3.weight": (4096, 4096), "3.bias": (4096,)}
    return {f"classifier.{name}": torch.full((), value).expand(shape) for name, shape in shapes.items()}


def test_vgg16_loads_with_its_classifier_or_without_numbers_in_it(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.pth"
    torch.save({**vgg16_features(), **classifier(5.0)}, path)
    network = build({"family": "ssd300_vgg16", "classes": 1})
    load_backbone(network, path)
    backbone = network.backbone
    assert [float(backbone.features[k].weight.flatten()[0]) for k in (0, 10, 28)] == [1, 11, 29]
    assert (backbone.conv6.weight == 5).all()
    assert backbone.norm.scale[0] == 20

    # torchvision's features-only file has NaN in its classifier: conv6 keeps what it has.
    torch.save({**vgg16_features(), **classifier(float("nan"))}, path)
    load_backbone(network, path)
    assert (backbone.conv6.weight == 5).all()

    cut = vgg16_features()
    del cut["features.7.bias"]
    torch.save(cut, path)
    with pytest.raises(InputError, match=r"1 missing \(features\.7\.bias\)"):
        load_backbone(network, path)


def test_the_papers_reduced_vgg16_fits_as_it_is(tmp_path: Path) -> None:
    weights = {name.removeprefix("features."): value for name, value in vgg16_features().items()}
    weights |= {"31.weight": torch.full((1024, 512, 3, 3), 6.0), "31.bias": torch.full((1024,), 6.5)}
    weights |= {"33.weight": torch.full((1024, 1024, 1, 1), 7.0), "33.bias": torch.full((1024,), 7.5)}
    torch.save(weights, tmp_path / "vgg16_reducedfc.pth")
    network = build({"family": "ssd512_vgg16", "classes": 1})
    load_backbone(network, tmp_path / "vgg16_reducedfc.pth")
    assert float(network.backbone.conv6.weight[3, 2, 1, 1]) == 6
    assert float(network.backbone.conv7.bias[9]) == 7.5
