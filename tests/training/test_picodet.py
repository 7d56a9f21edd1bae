"""PicoDet-S: its shapes, its blocks against published ones that shuffle channels, and the import of its ONNX file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor

import edgessd
from edgessd.errors import InputError
from edgessd.model.preprocess import to_input
from edgessd.model.priors import generate
from edgessd_training.data.images import read_image
from edgessd_training.importers import import_family
from edgessd_training.importers.picodet import channel_orders, import_picodet, layers_in_file_order
from edgessd_training.networks import build
from edgessd_training.networks.esnet import Stage
from edgessd_training.networks.ssd import offsets_from
from edgessd_training.run.start import start_checkpoint

PHOTOS = sorted((Path(edgessd.__file__).parent / "photos").glob("*.jpg"))
PUBLISHED = Path(__file__).parents[3] / "shared/data/weights/picodet_s_320_coco.onnx"


@pytest.mark.parametrize("size", [[96, 160], [130, 100]])
def test_every_cell_is_one_prior(size: list[int]) -> None:
    network = build({"family": "picodet_s", "classes": 3, "input_size": size})
    location, logits = network(torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8))
    assert location.shape == (2, len(network.priors), 32)
    assert logits.shape == (2, len(network.priors), 3)
    assert network.coding == "ltrb"
    (location.sum() + logits.sum()).backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_a_prior_is_a_cells_centre_and_its_stride() -> None:
    priors_cxcywh = generate(build({"family": "picodet_s", "classes": 1, "input_size": [320, 640]}).priors)
    assert len(priors_cxcywh) == 80 * 40 + 40 * 20 + 20 * 10 + 10 * 5
    assert priors_cxcywh[0] == pytest.approx([4 / 640, 4 / 320, 8 / 640, 8 / 320])
    assert priors_cxcywh[81] == pytest.approx([12 / 640, 12 / 320, 8 / 640, 8 / 320])
    assert priors_cxcywh[-1] == pytest.approx([1 - 32 / 640, 1 - 32 / 320, 64 / 640, 64 / 320])


def test_a_distance_is_the_mean_of_its_distribution() -> None:
    location = torch.full((1, 1, 32), -100.0)
    location[0, 0, [0, 8 + 7, 16 + 2, 16 + 3, 24 + 4]] = 0.0  # 0; 7; between 2 and 3; 4
    assert offsets_from(location, 8)[0, 0].tolist() == pytest.approx([0, 7, 2.5, 4])
    assert offsets_from(location[..., :4], 0) is not location


@pytest.mark.parametrize("option", [{"activation": "softmax"}, {"classes": 0}, {"input_size": 0}, {"neck": "fpn"}])
def test_what_it_cannot_be_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(InputError):
        build({"family": "picodet_s", "classes": 2, **option})


def test_published_weights_are_named_with_their_address_and_kept_to_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / PUBLISHED.name
    with pytest.raises(InputError) as absent:
        import_family("picodet", path)
    with pytest.raises(InputError) as not_found:
        start_checkpoint(path.name, [tmp_path])
    path.write_bytes(b"another file of this name")
    with pytest.raises(InputError, match="is not the published file") as other:
        start_checkpoint(path.name, [tmp_path])
    for error in (absent, not_found, other):
        assert f"https://paddledet.bj.bcebos.com/deploy/third_engine/{path.name}" in str(error.value)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="PaddleDetection's file is not at hand")
def test_published_weights_are_the_recorded_ones_and_start_a_run_by_name() -> None:
    _, checkpoint = start_checkpoint(PUBLISHED.name, [PUBLISHED.parent])
    assert len(checkpoint.card.labels) == 80


def shuffled(maps: Tensor) -> Tensor:
    """Return what ShuffleNetV2 does behind a block: the channels of the two halves by turns."""
    return maps.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_stage_without_shuffles_is_the_published_one(blocks: int) -> None:
    torch.manual_seed(1)
    stage = Stage(8, 8, 32, (16,) * blocks).eval()
    pixels = torch.rand(2, 8, 14, 10)
    *orders, whole = channel_orders(stage)
    with torch.no_grad():
        maps = stage.reduce(pixels)
        for block, order in zip(stage.blocks, orders, strict=True):
            kept, taken = maps.chunk(2, dim=1)
            maps = shuffled(torch.cat([kept, block(taken[:, order])], dim=1))
        np.testing.assert_allclose(stage(pixels), maps[:, whole], atol=1e-6)
    assert blocks == 1 or not torch.equal(whole, torch.arange(32))


def write_file(path: Path, shapes: list[tuple[int, ...]], *, first: float = 0.0) -> None:
    """Write convolutions in the order of a published file, each reading the image: their weights count alone."""
    random = np.random.default_rng(2)
    nodes, tensors = [], []
    for number, shape in enumerate(shapes):
        for kind, size in (("w", shape), ("b", shape[:1])):
            values = random.normal(size=size).astype(np.float32)
            values.flat[0] = values.flat[0] if number else values.flat[0] + first
            tensors.append(numpy_helper.from_array(values, f"{kind}{number}"))
        nodes.append(helper.make_node("Conv", ["image", f"w{number}", f"b{number}"], [f"o{number}"]))
    given = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 64, 96])
    output = helper.make_tensor_value_info(f"o{len(shapes) - 1}", onnx.TensorProto.FLOAT, [1, None, None, None])
    graph = helper.make_graph(nodes, "published", [given], [output], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), str(path))


def published_shapes(classes: int) -> list[tuple[int, ...]]:
    layers = layers_in_file_order(build({"family": "picodet_s", "classes": classes, "input_size": 64}))
    return [(sum(layer.out_channels for layer in each), *each[0].weight.shape[1:]) for each in layers]


def test_a_file_is_imported_in_its_own_order(tmp_path: Path) -> None:
    path, labels = tmp_path / "two.onnx", tmp_path / "labels.txt"
    write_file(path, published_shapes(2))
    labels.write_text("cat\ndog\n")
    checkpoint = import_picodet(path, labels)
    assert (checkpoint.card.height, checkpoint.card.width) == (64, 96)
    assert checkpoint.card.labels == ("cat", "dog")
    assert checkpoint.card.coding == "ltrb"
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(path)).graph.initializer}
    last = len(published_shapes(2)) - 1
    scores, sides = (head.predictors[3] for head in (checkpoint.network.confidence, checkpoint.network.location))
    np.testing.assert_array_equal(scores.weight.detach(), values[f"w{last}"][:2])
    np.testing.assert_array_equal(sides.bias.detach(), values[f"b{last}"][2:])
    np.testing.assert_array_equal(checkpoint.network.backbone.first[0].weight.detach(), values["w0"])


@pytest.mark.parametrize("fault", ["fewer", "shape", "infinite", "text", "cut"])
def test_another_file_is_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    path, labels = tmp_path / "other.onnx", tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    shapes = published_shapes(2)
    if fault == "fewer":
        shapes = shapes[1:]
    if fault == "shape":
        shapes[5] = (shapes[5][0] + 1, *shapes[5][1:])
    write_file(path, shapes, first=np.inf if fault == "infinite" else 0.0)
    content = path.read_bytes()
    damaged = {"text": b"no model", "cut": content[: len(content) // 2]}
    path.write_bytes(damaged.get(fault, content))
    with pytest.raises(InputError, match=r"other\.onnx.*picodet_s_320_coco\.onnx") as caught:
        import_picodet(path, labels)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published weights lie in ../shared, which is not here")
def test_the_published_file_gives_the_same_outputs() -> None:
    import onnxruntime

    network = import_picodet(PUBLISHED).network
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(PUBLISHED), options)
    mean, std = (np.array(values, np.float32) for values in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    for path in PHOTOS:
        image = to_input(read_image(path), 320, 320)
        pixels = ((image[..., ::-1] - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
        outputs = session.run(None, {"image": pixels})
        with torch.inference_mode():
            location, logits = network(torch.from_numpy(image[None]))
        np.testing.assert_allclose(logits.sigmoid(), np.concatenate(outputs[:4], axis=1), atol=1e-4)
        np.testing.assert_allclose(location, np.concatenate(outputs[4:], axis=1), atol=1e-4)
