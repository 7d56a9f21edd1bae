"""Every network by its description: shapes, priors, modes, and what is refused."""

import numpy as np
import pytest
import torch

from edgessd.errors import InputError
from edgessd.model.priors import generate
from edgessd_training.networks import FAMILIES, build
from edgessd_training.networks.layers import L2Norm, divisible
from edgessd_training.networks.macs import count_macs
from edgessd_training.networks.neck import FPN, TopDown
from edgessd_training.networks.prior_layouts import ssd300_spec, ssd512_spec, ssdlite_spec
from edgessd_training.networks.ssd import SSD

MOBILE = [family for family in FAMILIES if "vgg" not in family and family != "picodet_s"]


def images(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_backbone_answers_maps_of_the_channels_that_it_names(family: str) -> None:
    network = build({"family": family, "classes": 2, "input_size": [300, 340]})
    maps = network.backbone.eval()(torch.zeros(1, 3, 300, 340))
    assert tuple(level.shape[1] for level in maps) == network.backbone.channels
    sizes = [level.shape[2] * level.shape[3] for level in maps]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("neck", [None, "fpn", "top_down"])
@pytest.mark.parametrize("family", MOBILE)
def test_every_mobile_network_answers_each_prior_at_any_input_size(family: str, neck: str | None) -> None:
    network = build({"family": family, "classes": 3, "input_size": [192, 250], "neck": neck, "activation": "softmax"})
    offsets, logits = network.eval()(images(192, 250, 2))
    assert offsets.shape == (2, len(network.priors), 4)
    assert logits.shape == (2, len(network.priors), 4)
    assert len({(grid.height, grid.width) for grid in network.priors.maps}) > 3
    offsets, logits = network.train()(images(192, 250, 2))
    (offsets.sum() + logits.sum()).backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize(("family", "size", "neck"), [("ssd300_vgg16", [300, 340], "fpn"), ("ssd512_vgg16", 300, None)])
def test_vgg16_networks_answer_each_prior(family: str, size: object, neck: str | None) -> None:
    network = build({"family": family, "classes": 2, "input_size": size, "neck": neck, "activation": "sigmoid"})
    offsets, logits = network(images(*network.input_hw))
    assert offsets.shape == (1, len(network.priors), 4)
    assert logits.shape == (1, len(network.priors), 2)


@pytest.mark.parametrize(
    ("family", "priors", "spec"),
    [
        ("ssd300_vgg16", 8732, ssd300_spec()),
        ("ssd512_vgg16", 24564, ssd512_spec()),
        ("ssd_mobilenet_v1", 1917, None),
        ("tensorflow_ssdlite_mobilenet_v2", 1917, None),
        ("ssdlite_mobilenet_v2", 3000, ssdlite_spec(300, (19, 10, 5, 3, 2, 1))),
        ("ssdlite_mobilenet_v3_large", 3234, ssdlite_spec(320, (20, 10, 5, 3, 2, 1))),
    ],
)
def test_published_priors_at_the_published_size(family: str, priors: int, spec: object) -> None:
    network = build({"family": family, "classes": 20})
    assert len(network.priors) == priors
    if spec is not None:
        np.testing.assert_allclose(generate(network.priors), generate(spec), atol=1e-6)  # type: ignore[arg-type]


def test_priors_of_the_description_take_the_place_of_the_familys_own() -> None:
    spec = ssdlite_spec(160, (10, 5, 3, 2, 1, 1)).as_json()
    for grid in spec["maps"]:
        grid["shapes_wh"] = grid["shapes_wh"][:3]
    network = build({"family": "ssdlite_mobilenet_v2", "classes": 1, "input_size": 160, "priors": spec})
    assert network.priors.as_json() == spec
    assert network(images(160, 160, 2))[0].shape == (2, 3 * (100 + 25 + 9 + 4 + 1 + 1), 4)


def test_a_sigmoid_network_begins_by_the_initial_score() -> None:
    network = build(
        {"family": "ssdlite_mobilenet_v2", "classes": 2, "activation": "sigmoid", "input_size": 160, "width": 0.35}
    )
    scores = network.eval()(images(160, 160))[1].sigmoid()
    assert 0.001 < scores.median() < 0.05


def test_l2_norm_scales_every_cell_to_length_20() -> None:
    maps = torch.zeros(1, 4, 2, 3)
    maps[0, :, 0, 1] = torch.tensor([3.0, 0.0, 4.0, 0.0])
    scaled = L2Norm(4)(maps)
    torch.testing.assert_close(scaled[0, :, 0, 1], torch.tensor([12.0, 0.0, 16.0, 0.0]))
    assert scaled.isfinite().all()  # a cell of nothing but zeros stays zero
    assert scaled[0, :, 1, 2].abs().max() == 0


def test_the_neck_keeps_sizes_and_passes_coarse_maps_on() -> None:
    neck = FPN((8, 8, 8, 8, 6, 5), 4)
    maps = [
        torch.rand(1, c, h, w) for c, h, w in [(8, 19, 27), (8, 10, 14), (8, 5, 7), (8, 3, 4), (6, 2, 2), (5, 1, 1)]
    ]
    leaving = neck(maps)
    assert neck.channels == (4, 4, 4, 4, 6, 5)
    assert [tuple(m.shape[1:]) for m in leaving[:4]] == [(4, 19, 27), (4, 10, 14), (4, 5, 7), (4, 3, 4)]
    assert leaving[4] is maps[4]
    assert leaving[5] is maps[5]


def test_the_top_down_neck_begins_as_nothing_and_then_carries_coarse_maps_down() -> None:
    neck = TopDown((3, 2, 4, 5, 6))
    maps = [torch.rand(1, c, h, w) for c, h, w in [(3, 5, 7), (2, 3, 4), (4, 2, 2), (5, 1, 1), (6, 1, 1)]]
    for before, after in zip(maps, neck(maps), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)
    with torch.no_grad():
        neck.carry[1].weight[1] = 1.0  # from four channels to the second of two
    fine, middle = neck(maps)[:2]
    assert (fine == maps[0]).all()  # carry[0] is still zero
    carried = maps[2].sum(dim=1)[0]
    torch.testing.assert_close(middle[0, 1], maps[1][0, 1] + carried[[0, 0, 1]][:, [0, 0, 1, 1]])
    assert (middle[0, 0] == maps[1][0, 0]).all()


def test_count_macs_of_the_papers_network() -> None:
    # The first convolution alone: 300 * 300 outputs * 64 filters * 27 products.
    network = build({"family": "ssd300_vgg16", "classes": 20})
    assert round(count_macs(network) / 1e9, 1) == 31.4


def test_divisible_never_loses_more_than_a_tenth() -> None:
    assert [divisible(value) for value in (11.2, 16, 33.6, 3, 12)] == [16, 16, 32, 8, 16]


@pytest.mark.parametrize(
    ("description", "complaint"),
    [
        ({"family": "yolo", "classes": 1}, "ssd300_vgg16"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 0}, "classes"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "activation": "relu"}, "softmax or sigmoid"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "neck": "pan"}, "fpn"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "width": 0}, "width"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "colour": "red"}, "colour"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "input_size": [300]}, r"\[height, width\]"),
        ({"family": "ssdlite_mobilenet_v2", "classes": 1, "priors": ssd300_spec().as_json()}, "network's maps"),
        ({"family": "ssd300_vgg16", "classes": 1, "input_size": 100}, "larger input_size"),
        ({"family": "ssd_mobilenet_v1"}, "classes"),
    ],
)
def test_wrong_descriptions_are_refused(description: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        build(description)


def test_a_fault_in_a_familys_own_code_is_not_taken_for_a_wrong_description(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*, classes: int) -> SSD:
        return SSD(classes)  # type: ignore[call-arg, arg-type]

    monkeypatch.setitem(FAMILIES, "broken", broken)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing"):
        build({"family": "broken", "classes": 1})
    with pytest.raises(InputError, match="no option 'width'"):
        build({"family": "broken", "classes": 1, "width": 1.0})
