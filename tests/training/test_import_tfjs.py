"""The import of coco-ssd's TensorFlow.js graph: a graph of its names and shapes with few classes, and what is refused.

The published file is not at hand in CI; docs/howto/import.md has what it gave.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgessd.errors import InputError
from edgessd.model.boxes import cxcywh_to_xyxy
from edgessd.model.priors import generate
from edgessd_training.importers.tfjs import import_tfjs
from edgessd_training.networks import build

LABELS = ("cat", "dog")
COLUMNS = len(LABELS) + 1
BODY = "FeatureExtractor/MobilenetV2/"


def names() -> list[tuple[str, str]]:
    pairs = [("first", "Conv"), ("last", "Conv_1")]
    pairs += [("blocks.0.depthwise", "expanded_conv/depthwise"), ("blocks.0.project", "expanded_conv/project")]
    for number in range(1, 17):
        pairs += [
            (f"blocks.{number}.{step}", f"expanded_conv_{number}/{step}") for step in ("expand", "depthwise", "project")
        ]
    for number, channels in enumerate((512, 256, 256, 128)):
        reach = f"layer_19_2_Conv2d_{number + 2}_3x3_s2_{channels}"
        pairs += [
            (f"extras.{number}.0", f"layer_19_1_Conv2d_{number + 2}_1x1_{channels // 2}"),
            (f"extras.{number}.1", f"{reach}_depthwise"),
            (f"extras.{number}.2", reach),
        ]
    return pairs


def published(seed: int = 0) -> dict[str, np.ndarray]:
    """Return weights as the graph names and orders them, drawn at random; head biases count up."""
    network = build({"family": "tensorflow_ssdlite_mobilenet_v2", "classes": COLUMNS})
    state, random = network.state_dict(), np.random.default_rng(seed)
    weights = {}

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.1, shape).astype(np.float32)

    for ours, theirs in names():
        outputs, inputs, height, width = state[f"backbone.{ours}.0.weight"].shape
        norm = f"{BODY}{theirs}/BatchNorm/batchnorm"
        if theirs.endswith("depthwise"):
            weights[f"{BODY}{theirs}/depthwise_weights"] = drawn(height, width, outputs, 1)
            weights[f"{norm}/mul"] = drawn(outputs)
        else:
            weights[f"{BODY}{theirs}/Conv2D/merged_input"] = drawn(height, width, inputs, outputs)
        weights[f"{norm}/sub"] = drawn(outputs)
    for number, channels in enumerate(network.backbone.channels):
        priors = 3 if number == 0 else 6
        for kind, rows in (("BoxEncodingPredictor", 4), ("ClassPredictor", COLUMNS)):
            name = f"BoxPredictor_{number}/{kind}"
            weights[f"{name}_depthwise/depthwise_weights"] = drawn(3, 3, channels, 1)
            for key in ("gamma", "beta", "moving_mean", "moving_variance"):
                weights[f"{name}_depthwise/BatchNorm/{key}"] = abs(drawn(channels)) + 0.5
            weights[f"{name}/weights"] = drawn(1, 1, channels, priors * rows)
            weights[f"{name}/biases"] = np.arange(priors * rows, dtype=np.float32)
    anchors_xyxy = cxcywh_to_xyxy(generate(network.priors))
    weights["Postprocessor/ExpandDims"] = anchors_xyxy[None, :, [1, 0, 3, 2]].astype(np.float32)
    return weights


def write(folder: Path, weights: dict[str, np.ndarray]) -> Path:
    content = b"".join(values.tobytes() for values in weights.values())
    entries = [{"name": name, "shape": values.shape, "dtype": "float32"} for name, values in weights.items()]
    half = len(content) // 2  # a tensor may lie over the border of two shards
    (folder / "group1-shard1of2").write_bytes(content[:half])
    (folder / "group1-shard2of2").write_bytes(content[half:])
    manifest = [{"paths": ["group1-shard1of2", "group1-shard2of2"], "weights": entries}]
    path = folder / "model.json"
    path.write_text(json.dumps({"modelTopology": {}, "weightsManifest": manifest}))
    return path


def labels(folder: Path) -> Path:
    path = folder / "labels.txt"
    path.write_text("\n".join(LABELS))
    return path


def test_every_weight_arrives_in_our_order(tmp_path: Path) -> None:
    weights = published()
    checkpoint = import_tfjs(write(tmp_path, weights), labels(tmp_path))
    state = checkpoint.network.state_dict()
    assert checkpoint.card.labels == LABELS
    for ours, theirs in names():
        kind = "depthwise_weights" if theirs.endswith("depthwise") else "Conv2D/merged_input"
        given = weights[f"{BODY}{theirs}/{kind}"]
        own = state[f"backbone.{ours}.0.weight"].numpy()
        output = own.shape[0] - 1
        there = given[..., output, 0] if kind == "depthwise_weights" else given[..., 0, output]
        np.testing.assert_array_equal(own[output, 0], there)
        np.testing.assert_array_equal(
            state[f"backbone.{ours}.1.bias"].numpy(), weights[f"{BODY}{theirs}/BatchNorm/batchnorm/sub"]
        )
    # ty tx th tw become tx ty tw th; the background's row of every prior goes
    assert state["location.predictors.0.1.bias"].tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]
    assert state["confidence.predictors.0.1.bias"].tolist() == [1, 2, 4, 5, 7, 8]
    offsets, logits = checkpoint.network(torch.zeros(1, 300, 300, 3, dtype=torch.uint8))
    assert offsets.shape == (1, 1917, 4)
    assert logits.shape == (1, 1917, 2)


def test_what_is_not_this_graph_is_refused(tmp_path: Path) -> None:
    def refused(weights: dict[str, np.ndarray], match: str) -> None:
        with pytest.raises(InputError, match=match):
            import_tfjs(write(tmp_path, weights), labels(tmp_path))

    lacking = published()
    del lacking[f"{BODY}Conv_1/Conv2D/merged_input"]
    refused(lacking, "has no .*Conv_1")
    flat = published()
    flat[f"{BODY}Conv/Conv2D/merged_input"] = flat[f"{BODY}Conv/Conv2D/merged_input"].reshape(-1)
    refused(flat, "other dimensions")
    infinite = published()
    infinite["BoxPredictor_0/ClassPredictor/biases"][0:2] = np.inf
    refused(infinite, "not finite")
    moved = published()
    moved["Postprocessor/ExpandDims"] += 0.01
    refused(moved, "other anchors")
    path = write(tmp_path, published())
    with pytest.raises(InputError, match="has 2 classes, neither"):
        import_tfjs(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path, names_of = write(tmp_path, published()), labels(tmp_path)
    shard = tmp_path / "group1-shard2of2"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut off"):
        import_tfjs(path, names_of)
    shard.unlink()
    with pytest.raises(InputError, match="no shard of weights"):
        import_tfjs(path, names_of)
    for text in ("{", "[]", '{"weightsManifest": [{"paths": ["../up"], "weights": []}]}', '{"weightsManifest": 3}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"no model\.json"):
            import_tfjs(path, names_of)
