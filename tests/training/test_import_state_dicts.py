"""Imports from amdegroot, lufficc and qfgaohao by their published key names: every tensor lands where it must.

The published files were never at hand: the state dicts here are written anew from the repositories' definitions.
"""

import itertools
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgessd.commands.cli import run
from edgessd.errors import InputError
from edgessd.model.priors import generate
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.importers import import_family
from edgessd_training.importers.labels import COCO_80, COCO_90, VOC
from edgessd_training.networks.ssd import SSD

# (input, output, kernel) of VGG16's convolutions by their number in the repositories' list of layers.
VGG = {
    **{0: (3, 64, 3), 2: (64, 64, 3), 5: (64, 128, 3), 7: (128, 128, 3), 10: (128, 256, 3)},
    **{12: (256, 256, 3), 14: (256, 256, 3), 17: (256, 512, 3), 19: (512, 512, 3), 21: (512, 512, 3)},
    **{24: (512, 512, 3), 26: (512, 512, 3), 28: (512, 512, 3), 31: (512, 1024, 3), 33: (1024, 1024, 1)},
}
EXTRAS_300 = [(1024, 256, 1), (256, 512, 3), (512, 128, 1), (128, 256, 3), *[(256, 128, 1), (128, 256, 3)] * 2]
EXTRAS_512 = [*EXTRAS_300[:4], *[(256, 128, 1), (128, 256, 3)] * 2, (256, 128, 1), (128, 256, 4)]
MAPS_300, PER_CELL_300 = (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)
MAPS_512, PER_CELL_512 = (512, 1024, 512, 256, 256, 256, 256), (4, 6, 6, 6, 6, 4, 4)
RATIOS_300 = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))


class Publisher:
    """Collects a state dict whose tensors are constants 1, 2, 3, ... so that each is known by its value."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def tensor(self, name: str, *shape: int) -> None:
        self.weights[name] = torch.full((), float(len(self.weights) + 1)).expand(shape)

    def conv(self, name: str, inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> None:
        self.tensor(f"{name}.weight", outputs, inputs, kernel, kernel)
        if bias:
            self.tensor(f"{name}.bias", outputs)

    def norm(self, name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            self.tensor(f"{name}.{part}", channels)

    def save(self, path: Path) -> Path:
        torch.save({name: value.clone() for name, value in self.weights.items()}, path)
        return path


def amdegroot(columns: int = 21) -> Publisher:
    made = Publisher()
    for number, sizes in VGG.items():
        made.conv(f"vgg.{number}", *sizes)
    made.tensor("L2Norm.weight", 512)
    for number, sizes in enumerate(EXTRAS_300):
        made.conv(f"extras.{number}", *sizes)
    for k, (inputs, count) in enumerate(zip(MAPS_300, PER_CELL_300, strict=True)):
        made.conv(f"loc.{k}", inputs, count * 4, 3)
        made.conv(f"conf.{k}", inputs, count * columns, 3)
    return made


def lufficc(columns: int = 21, *, large: bool = False) -> Publisher:
    made = Publisher()
    for number, sizes in VGG.items():
        made.conv(f"backbone.vgg.{number}", *sizes)
    for number, sizes in enumerate(EXTRAS_512 if large else EXTRAS_300):
        made.conv(f"backbone.extras.{number}", *sizes)
    made.tensor("backbone.l2_norm.weight", 512)
    maps, per_cell = (MAPS_512, PER_CELL_512) if large else (MAPS_300, PER_CELL_300)
    for k, (inputs, count) in enumerate(zip(maps, per_cell, strict=True)):
        made.conv(f"box_head.predictor.cls_headers.{k}", inputs, count * columns, 3)
        made.conv(f"box_head.predictor.reg_headers.{k}", inputs, count * 4, 3)
    return made


def qfgaohao_heads(made: Publisher, maps: tuple[int, ...], per_cell: tuple[int, ...]) -> Publisher:
    for kind, columns in (("classification_headers", 21), ("regression_headers", 4)):
        for k, (inputs, count) in enumerate(zip(maps, per_cell, strict=True)):
            made.conv(f"{kind}.{k}", inputs, count * columns, 3)
    return made


def qfgaohao_vgg() -> Publisher:
    made = Publisher()
    for number, sizes in VGG.items():
        made.conv(f"base_net.{number}", *sizes)
    for number, sizes in enumerate(EXTRAS_300):
        made.conv(f"extras.{number // 2}.{number % 2 * 2}", *sizes)
    made.tensor("source_layer_add_ons.0.scale", 512)
    return qfgaohao_heads(made, MAPS_300, PER_CELL_300)


def qfgaohao_mb1() -> Publisher:
    made = Publisher()
    made.conv("base_net.0.0", 3, 32, 3, bias=False)
    made.norm("base_net.0.1", 32)
    widths = (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        made.conv(f"base_net.{number}.0", 1, inputs, 3, bias=False)
        made.norm(f"base_net.{number}.1", inputs)
        made.conv(f"base_net.{number}.3", inputs, outputs, 1, bias=False)
        made.norm(f"base_net.{number}.4", outputs)
    for number, sizes in enumerate(EXTRAS_300):
        made.conv(f"extras.{number // 2}.{number % 2 * 2}", *sizes)
    return qfgaohao_heads(made, (512, 1024, 512, 256, 256, 256), (6,) * 6)


def inverted_residual(made: Publisher, name: str, inputs: int, hidden: int, outputs: int) -> None:
    first = 0
    if hidden != inputs:
        made.conv(f"{name}.0", inputs, hidden, 1, bias=False)
        made.norm(f"{name}.1", hidden)
        first = 3
    made.conv(f"{name}.{first}", 1, hidden, 3, bias=False)
    made.norm(f"{name}.{first + 1}", hidden)
    made.conv(f"{name}.{first + 3}", hidden, outputs, 1, bias=False)
    made.norm(f"{name}.{first + 4}", outputs)


def qfgaohao_mb2() -> Publisher:
    made = Publisher()
    made.conv("base_net.0.0", 3, 32, 3, bias=False)
    made.norm("base_net.0.1", 32)
    widths = (32, 16, 24, 24, 32, 32, 32, *[64] * 4, *[96] * 3, *[160] * 3, 320)
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
        inverted_residual(made, f"base_net.{number}.conv", inputs, inputs * (6 if number > 1 else 1), outputs)
    made.conv("base_net.18.0", 320, 1280, 1, bias=False)
    made.norm("base_net.18.1", 1280)
    for number, (inputs, share, outputs) in enumerate(
        [(1280, 0.2, 512), (512, 0.25, 256), (256, 0.5, 256), (256, 0.25, 64)]
    ):
        inverted_residual(made, f"extras.{number}.conv", inputs, round(inputs * share), outputs)
    for kind, columns in (("classification_headers", 21), ("regression_headers", 4)):
        for k, inputs in enumerate((576, 1280, 512, 256, 256)):
            made.conv(f"{kind}.{k}.0", 1, inputs, 3)
            made.norm(f"{kind}.{k}.1", inputs)
            made.conv(f"{kind}.{k}.3", inputs, 6 * columns, 1)
        made.conv(f"{kind}.5", 64, 6 * columns, 1)
    return made


def landed(network: SSD) -> dict[str, float]:
    """Return each of our tensors' one value; all its numbers must be that value."""
    own = {name: value for name, value in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert all((value == value.flatten()[0]).all() for value in own.values())
    return {name: float(value.flatten()[0]) for name, value in own.items()}


def published_priors(
    maps: tuple[int, ...],
    steps: tuple[int, ...],
    sizes: tuple[float, ...],
    ratios: tuple[tuple[int, ...], ...],
    image: int = 300,
) -> np.ndarray:
    """Return the priors as all three repositories write them: PriorBox and generate_ssd_priors, clamped."""
    rows = []
    for k, cells in enumerate(maps):
        for i in range(cells):
            for j in range(cells):
                centre = ((j + 0.5) * steps[k] / image, (i + 0.5) * steps[k] / image)
                small, large = sizes[k] / image, sqrt(sizes[k] * sizes[k + 1]) / image
                rows += [(*centre, small, small), (*centre, large, large)]
                for ratio in ratios[k]:
                    rows.append((*centre, small * sqrt(ratio), small / sqrt(ratio)))
                    rows.append((*centre, small / sqrt(ratio), small * sqrt(ratio)))
    return np.clip(np.array(rows), 0, 1)


GRID_300 = ((38, 19, 10, 5, 3, 1), (8, 16, 32, 64, 100, 300))
VOC_PRIORS = published_priors(*GRID_300, (30, 60, 111, 162, 213, 264, 315), RATIOS_300)
COCO_PRIORS = published_priors(*GRID_300, (21, 45, 99, 153, 207, 261, 315), RATIOS_300)
MOBILE_PRIORS = published_priors(
    (19, 10, 5, 3, 2, 1), (16, 32, 64, 100, 150, 300), (60, 105, 150, 195, 240, 285, 330), ((2, 3),) * 6
)
# Places worth naming, ours and theirs: the first and last layers, fc6, the norm, an extra map, both heads.
PLACES = {
    "amdegroot": {
        "backbone.features.0.weight": "vgg.0.weight",
        "backbone.features.28.bias": "vgg.28.bias",
        "backbone.conv6.weight": "vgg.31.weight",
        "backbone.conv7.bias": "vgg.33.bias",
        "backbone.norm.scale": "L2Norm.weight",
        "backbone.extras.2.2.weight": "extras.5.weight",
        "location.predictors.3.weight": "loc.3.weight",
        "confidence.predictors.5.bias": "conf.5.bias",
    },
    "lufficc": {
        "backbone.features.21.weight": "backbone.vgg.21.weight",
        "backbone.conv6.bias": "backbone.vgg.31.bias",
        "backbone.norm.scale": "backbone.l2_norm.weight",
        "backbone.extras.3.0.weight": "backbone.extras.6.weight",
        "location.predictors.0.bias": "box_head.predictor.reg_headers.0.bias",
        "confidence.predictors.4.weight": "box_head.predictor.cls_headers.4.weight",
    },
    "vgg16-ssd": {
        "backbone.features.17.weight": "base_net.17.weight",
        "backbone.conv7.weight": "base_net.33.weight",
        "backbone.norm.scale": "source_layer_add_ons.0.scale",
        "backbone.extras.1.2.bias": "extras.1.2.bias",
        "confidence.predictors.1.bias": "classification_headers.1.bias",
    },
    "mb1-ssd": {
        "backbone.first.1.running_var": "base_net.0.1.running_var",
        "backbone.blocks.0.0.0.weight": "base_net.1.0.weight",
        "backbone.blocks.10.1.1.bias": "base_net.11.4.bias",
        "backbone.blocks.12.1.0.weight": "base_net.13.3.weight",
        "backbone.extras.3.0.weight": "extras.3.0.weight",
        "location.predictors.5.weight": "regression_headers.5.weight",
    },
    "mb2-ssd-lite": {
        "backbone.blocks.0.depthwise.0.weight": "base_net.1.conv.0.weight",
        "backbone.blocks.0.project.1.weight": "base_net.1.conv.4.weight",
        "backbone.blocks.13.expand.0.weight": "base_net.14.conv.0.weight",
        "backbone.blocks.16.project.1.running_mean": "base_net.17.conv.7.running_mean",
        "backbone.last.0.weight": "base_net.18.0.weight",
        "backbone.extras.3.depthwise.1.bias": "extras.3.conv.4.bias",
        "location.predictors.0.0.bias": "regression_headers.0.0.bias",
        "confidence.predictors.4.3.weight": "classification_headers.4.3.weight",
        "confidence.predictors.5.weight": "classification_headers.5.weight",
    },
}
CASES = {
    "amdegroot": ("amdegroot", amdegroot, VOC_PRIORS),
    "lufficc": ("lufficc", lufficc, VOC_PRIORS),
    "vgg16-ssd": ("qfgaohao", qfgaohao_vgg, VOC_PRIORS),
    "mb1-ssd": ("qfgaohao", qfgaohao_mb1, MOBILE_PRIORS),
    "mb2-ssd-lite": ("qfgaohao", qfgaohao_mb2, MOBILE_PRIORS),
}


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_lands_where_it_must(case: str, tmp_path: Path) -> None:
    family, publish, priors_cxcywh = CASES[case]
    made = publish()
    checkpoint = import_family(family, made.save(tmp_path / f"{case}.pth"))
    values = landed(checkpoint.network)
    numbers = {name: float(number) for number, name in enumerate(made.weights, start=1)}
    assert sorted(values.values()) == sorted(numbers.values())  # each tensor once
    assert {ours: values[ours] for ours in PLACES[case]} == {
        ours: numbers[theirs] for ours, theirs in PLACES[case].items()
    }
    np.testing.assert_allclose(generate(checkpoint.card.priors), priors_cxcywh, atol=1e-6)
    assert checkpoint.card.labels == VOC
    normalise = checkpoint.network.normalise
    mean, std = (torch.broadcast_to(of.flatten(), (3,)) for of in (normalise.mean, 1 / normalise.scale))
    mobile = case in ("mb1-ssd", "mb2-ssd-lite")
    assert mean.tolist() == ([127, 127, 127] if mobile else [123, 117, 104])  # red, green, blue
    assert std.tolist() == ([128] * 3 if mobile else [1] * 3)
    assert tuple(checkpoint.card.variances) == (0.1, 0.2)


@pytest.mark.parametrize(("family", "publish"), [("amdegroot", amdegroot), ("lufficc", lufficc)])
def test_81_columns_mean_cocos_priors_and_labels(family: str, publish: type, tmp_path: Path) -> None:
    checkpoint = import_family(family, publish(81).save(tmp_path / "coco.pth"))
    np.testing.assert_allclose(generate(checkpoint.card.priors), COCO_PRIORS, atol=1e-6)
    assert checkpoint.card.labels == COCO_80


def test_lufficcs_larger_network_is_told_by_its_extra_map(tmp_path: Path) -> None:
    checkpoint = import_family("lufficc", lufficc(large=True).save(tmp_path / "ssd512.pth"))
    assert (checkpoint.card.height, len(checkpoint.card.priors)) == (512, 24564)
    ratios = ((2,), *[(2, 3)] * 4, (2,), (2,))
    sizes = (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.65)
    priors = published_priors((64, 32, 16, 8, 4, 2, 1), (8, 16, 32, 64, 128, 256, 512), sizes, ratios, 512)
    np.testing.assert_allclose(generate(checkpoint.card.priors), priors, atol=1e-6)


def test_training_state_and_data_parallel_are_unwrapped(tmp_path: Path) -> None:
    weights = {f"module.{name}": value.clone() for name, value in qfgaohao_mb1().weights.items()}
    path, out = tmp_path / "run.pth", tmp_path / "out.pt"
    torch.save({"model": weights, "iteration": 120000, "optimizer": {"state": {}}}, path)
    assert run(["import", "qfgaohao", str(path), "--out", str(out), "--name", "old"]) == 0
    assert load_checkpoint(out).card.name == "old"


def test_labels_are_needed_for_an_unknown_number_of_classes(tmp_path: Path) -> None:
    path, labels = amdegroot(4).save(tmp_path / "mine.pth"), tmp_path / "labels.txt"
    with pytest.raises(InputError, match=r"3 classes.*--labels"):
        import_family("amdegroot", path)
    labels.write_text("BACKGROUND\nred\ngreen\nblue\n")
    assert import_family("amdegroot", path, labels).card.labels == ("red", "green", "blue")
    labels.write_text("red\ngreen\n")
    with pytest.raises(InputError, match="2 labels were given"):
        import_family("amdegroot", path, labels)


def test_a_partial_file_names_missing_and_surplus_keys_as_published(tmp_path: Path) -> None:
    made = qfgaohao_mb1()
    del made.weights["extras.2.0.bias"]
    made.tensor("priors", 3000, 4)
    with pytest.raises(InputError, match=r"1 missing \(extras\.2\.0\.bias\); 1 surplus \(priors\)"):
        import_family("qfgaohao", made.save(tmp_path / "partial.pth"))


@pytest.mark.parametrize("family", ["torchvision", "amdegroot", "lufficc", "qfgaohao"])
def test_another_librarys_file_is_refused_in_one_line(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "resnet.pth", tmp_path / "out.pt"
    torch.save({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(2)}, path)
    assert run(["import", family, str(path), "--out", str(out)]) == 2
    text = capsys.readouterr().err.strip()
    assert len(text.splitlines()) == 1
    assert "conv1.weight" in text
    assert not out.exists()


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(InputError, match=r"'epoch' is a int"):
        import_family("amdegroot", path)
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="list"):
        import_family("amdegroot", path)
    path.write_bytes(b"not torch")
    with pytest.raises(InputError, match="cut off"):
        import_family("amdegroot", path)


def test_weights_that_diverged_are_refused(tmp_path: Path) -> None:
    made = qfgaohao_mb1()
    made.weights["base_net.3.4.running_var"] = torch.full((128,), float("nan"))
    with pytest.raises(InputError, match=r"base_net\.3\.4\.running_var .* not finite"):
        import_family("qfgaohao", made.save(tmp_path / "nan.pth"))


def test_a_name_that_promises_another_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hash b556d3b4"):
        import_family("qfgaohao", qfgaohao_mb1().save(tmp_path / "mb1-b556d3b4.pth"))
    assert import_family("qfgaohao", qfgaohao_mb1().save(tmp_path / "mb1-20240131.pth")).card.name == "mb1_ssd"


def test_label_lists_have_their_published_lengths() -> None:
    assert (len(VOC), len(COCO_80), len(COCO_90)) == (20, 80, 90)
    assert (VOC[14], COCO_80[0], COCO_80[79], COCO_90[11], COCO_90[89]) == (
        *("person", "person", "toothbrush", "unused 12", "toothbrush"),
    )
