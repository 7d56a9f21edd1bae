"""A checkpoint becomes an ONNX file in fp32, fp16 or int8, with its card, after the gate has compared the two."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgessd.backends import Choice, open_backend
from edgessd.model.card import ModelCard
from edgessd.model.self_test import comparable, record, self_test_input, worst_difference
from edgessd.util.files import replacing
from edgessd_export.graph.contracts import card_for, wrap
from edgessd_export.graph.float_graph import OPSET, Layout, check_finite, float_graph, save, to_onnx, write_card
from edgessd_export.graph.float_input import FloatInput, with_float_input
from edgessd_export.parity.compare import Model, graph_model, torch_model
from edgessd_export.parity.gate import quick
from edgessd_export.quantisation.int8 import Int8, quantised
from edgessd_export.quantisation.qdq import inputs_alone
from edgessd_training.checkpoint import Checkpoint
from edgessd_training.loop.fake_int8 import FakeInt8, computing_in

# What a sound engine may differ by on the self-test image, at the least: fp16 sums are ordered by every engine anew,
# and a value that falls on the other side of a rounding step moves an int8 output by whole steps.
SMALLEST_TOLERANCE = {"fp32": 1e-3, "fp16": 0.2, "int8": 0.5}  # of ``raw``, whose offsets reach 10 and more
DECODED_TOLERANCE = {"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}  # of boxes and scores, all within 0..1


def weights_hash(checkpoint: Checkpoint) -> str:
    """Return the hash of a network's weights, by which ranges know their checkpoint."""
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint.network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_fp16(checkpoint: Checkpoint, path: Path, layout: Layout) -> ModelCard:
    """Write the network in half precision and return its card. Raises ExportError when the gate refuses it."""
    card = card_for(checkpoint.card, layout.contract, layout.kept)
    card = card.with_changes(
        precision="fp16", metrics={}, quantisation={"islands": "preprocessing, L2Norm, activation, decode"}
    )
    return write(checkpoint, float_graph(checkpoint, layout, "fp16"), card, path)


def write_int8(
    checkpoint: Checkpoint,
    path: Path,
    layout: Layout,
    int8: Int8,
    base: onnx.ModelProto | None = None,
    images: Sequence[NDArray[np.uint8]] = (),
) -> ModelCard:
    """Write the network in int8 and return its card.

    base: the float graph of this layout and ``int8.rest`` where it is at hand. images: see ``write``.
    Raises ExportError when the gate refuses what came out.
    """
    model = quantised(base or float_graph(checkpoint, layout, int8.rest), int8)
    calibration = int8.calibration
    card = card_for(checkpoint.card, layout.contract, layout.kept).with_changes(
        precision="int8",
        metrics={},  # what was measured was the float network
        quantisation={
            "for": int8.variant,
            "on": "inputs" if inputs_alone(model, int8.variant) else "inputs and outputs",
            "rest": int8.rest,
            "calibration": calibration.method,
            "calibration_images": calibration.images,
            "rounding": "gptq" if calibration.moments else "nearest",
            "kept_in_float": sorted(int8.keep_float),
        },
    )
    fake = FakeInt8.of(checkpoint.card.training["int8"]) if calibration.method == "trained" else None
    return write(checkpoint, model, card, path, images, fake)


def export_onnx(
    checkpoint: Checkpoint,
    path: Path,
    *,
    contract: str = "raw",
    kept: int | None = None,
    batch: int | None = None,
    opset: int = OPSET,
    base: onnx.ModelProto | None = None,
) -> ModelCard:
    """Write the network as it was trained, whole or not at all, and return the card the file carries.

    contract, kept: see ``card_for``. batch: a fixed batch size, or None for a dynamic one. base: the float graph of
    this layout where it is at hand. Raises InputError for a contract that cannot be, ExportError when the gate refuses
    what came out.
    """
    layout = Layout(contract, kept, batch, opset)
    card = card_for(checkpoint.card, contract, kept).with_changes(precision="fp32")
    return write(checkpoint, base or float_graph(checkpoint, layout), card, path)


def export_float_input(checkpoint: Checkpoint, path: Path, layout: Layout, given: FloatInput) -> ModelCard:
    """Write the network in fp32 for loaders that cannot feed uint8, and return its card.

    edgessd itself does not run such a file. Raises ExportError when the gate refuses what came out.
    """
    check_finite(checkpoint)
    card = card_for(checkpoint.card, layout.contract, layout.kept).with_changes(precision="fp32", self_test={})
    changed = with_float_input(checkpoint.network, given)
    model = to_onnx(wrap(changed, card), card, batch=layout.batch, opset=layout.opset, given=given)
    with replacing(path) as unfinished:
        save(model, card, unfinished)
        candidate = graph_model(model, card, path.name)
        as_given = Model(path.name, card, lambda images: candidate.infer(given.from_frames(images)))
        quick(torch_model(checkpoint.network, card), as_given)
    return card


def write(
    checkpoint: Checkpoint,
    model: onnx.ModelProto,
    card: ModelCard,
    path: Path,
    images: Sequence[NDArray[np.uint8]] = (),
    fake: FakeInt8 | None = None,
) -> ModelCard:
    """Write a graph beside its place, run it, record its self-test, let the gate judge it, and rename it.

    images: what the gate compares on, (1, H, W, 3) each; the seeded ones where there are none. fake: the INT8
    that the weights were trained in; the graph is then compared with the network in fake INT8.
    """
    with replacing(path) as unfinished:
        save(model, card.with_changes(self_test={}), unfinished)
        backend = open_backend(unfinished, card, Choice("onnxruntime", "it computes what the graph says"), threads=1)
        try:
            with computing_in(fake, checkpoint.network):
                quick(torch_model(checkpoint.network, card), Model(path.name, card, backend.infer), images)
            card = _self_tested(checkpoint, card, unfinished, backend.infer(self_test_input(card)))
        finally:
            backend.close()
        write_card(model, card)
        onnx.save(model, str(unfinished))
    return card


def _self_tested(checkpoint: Checkpoint, card: ModelCard, path: Path, outputs: Sequence[NDArray[Any]]) -> ModelCard:
    """Return the card with a self-test: PyTorch's values for floats, the graph's own for int8.

    The tolerance is twice what engines on this machine differ by, but no less than the precision's smallest.
    """
    image = self_test_input(card)
    if card.precision == "int8":
        expected = [np.array(tensor) for tensor in outputs]
    else:
        expected = list(torch_model(checkpoint.network, card).infer(image))
    floor = (SMALLEST_TOLERANCE if card.contract == "raw" else DECODED_TOLERANCE)[card.precision]
    card = card.with_changes(self_test=record(comparable(card, expected), floor))
    differences = [worst_difference(card, outputs)]
    # Of a file for TensorRT OpenVINO is no judge: on a CPU without VNNI its sums saturate.
    if find_spec("openvino") and card.quantisation.get("for") != "tensorrt":
        backend = open_backend(path, card, Choice("openvino", "a second opinion"), threads=1)
        try:
            differences.append(worst_difference(card, backend.infer(image)))
        finally:
            backend.close()
    tolerance = max(floor, 2 * max(differences))
    return card.with_changes(self_test={**card.self_test, "tolerance": round(tolerance, 6)})
