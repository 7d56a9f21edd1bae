"""Makes the shipped models: `python export/ship_models.py best.pt TRAIN VAL DATA_NAME SIZE[:PRECISION]...`.

A network that tells distances takes any input size with the same weights, so one checkpoint gives every file:
NAME_SIZE.onnx in fp32, NAME_SIZE_fp16.onnx, _int8.onnx for CPUs or _int8_tensorrt.onnx (its rest in fp16), among the
runtime's shipped models. int8 is calibrated on images of TRAIN. Each file is judged on VAL as it ships, int8 for CPUs
in OpenVINO, the others in ONNX Runtime; its figures, its thresholds and DATA_NAME (in place of the folders of this
machine) go into its card.
best.pt may be a shipped fp32 file: it is restored.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import onnx

from edgessd import Detector, ModelCard
from edgessd.model.card import card_of
from edgessd.model.postprocess import EVALUATION
from edgessd.util.files import replacing
from edgessd_export.graph.float_graph import Layout, float_graph, write_card
from edgessd_export.images import GATE_IMAGES, image_paths, inputs, spread
from edgessd_export.quantisation.calibration import calibrate
from edgessd_export.quantisation.int8 import Int8
from edgessd_export.write import export_onnx, weights_hash, write_fp16, write_int8
from edgessd_training.checkpoint import Checkpoint, load_checkpoint
from edgessd_training.data.read import read_data
from edgessd_training.importers.exported import restore_checkpoint
from edgessd_training.metrics.evaluate import evaluate
from edgessd_training.metrics.thresholds import shown_thresholds
from edgessd_training.networks import build

SPLITS = {"data": "train", "val": "val"}
CALIBRATION_IMAGES = 200
# Left in float. For CPUs its three inputs leave half of the weights' levels, see `saturation`; for engines mAP is 0.006
# higher with it in fp16.
KEPT_FLOAT = ("backbone.first.0",)
# From here on a class is shown at all. Of 1,218 views of people without an animal (photographs of train and val, and
# crops of a head and shoulders out of each) two had a bird above 0.58 and one above 0.6.
LEAST_SHOWN = {"bird": 0.6}
MODELS = Path(__file__).parents[1] / "runtime/edgessd/model/shipped"


def main(source_path: Path, train: str, val: str, data_name: str, kinds: list[str]) -> None:
    """Write the files and print what each scores."""
    restored = source_path.suffix == ".onnx"
    source = restore_checkpoint(source_path) if restored else load_checkpoint(source_path)
    for kind in kinds:
        size, _, precision = kind.partition(":")
        checkpoint = resized(source, int(size))
        path = MODELS / f"{checkpoint.card.name}{f'_{precision}' if precision else ''}.onnx"
        match precision:
            case "":
                export_onnx(checkpoint, path)
            case "fp16":
                write_fp16(checkpoint, path, Layout())
            case _:
                seen = list(inputs(spread(image_paths(val), GATE_IMAGES), int(size), int(size)))
                write_int8(checkpoint, path, Layout(), int8_for(checkpoint, train, precision), images=seen)
        mean = judged(path, val, data_name)
        print(path.name, f"{path.stat().st_size / 1e6:.1f} MB", f"voc07 {mean:.4f}", flush=True)


def int8_for(checkpoint: Checkpoint, train: str, precision: str) -> Int8:
    """Return how to quantise: int8 for CPUs, int8_tensorrt with a rest in fp16, ranges of TRAIN's images."""
    card, plain = checkpoint.card, float_graph(checkpoint, Layout())
    paths = spread(image_paths(train), CALIBRATION_IMAGES)
    ranges = calibrate(plain, lambda: inputs(paths, card.height, card.width), "max", weights_hash(checkpoint))
    if precision == "int8_tensorrt":
        return Int8("tensorrt", ranges, "fp16", KEPT_FLOAT)
    return Int8("cpu", ranges, keep_float=KEPT_FLOAT)


def resized(source: Checkpoint, size: int) -> Checkpoint:
    """Return the checkpoint with another input size. Raises ValueError where its heads answer for priors of one."""
    if source.network.coding != "ltrb":
        raise ValueError(f"{source.card.name} has priors for one input size: export it with `edgessd export`")
    description = {**source.description, "input_size": size}
    network = build(description)
    network.load_state_dict(source.network.state_dict())
    name = source.card.name.removesuffix(f"_{source.card.height}")
    card = source.card.with_changes(name=f"{name}_{size}", height=size, width=size, priors=network.priors, metrics={})
    return Checkpoint(network.eval(), description, card)


def judged(path: Path, val: str, data_name: str) -> float:
    """Return a file's mAP on VAL, and write its figures and thresholds into its card."""
    backend = "openvino" if card_of(path).quantisation.get("for") == "cpu" else "onnxruntime"
    with Detector(path, backend=backend, settings=EVALUATION, threads=1) as detector:
        data = read_data(val, labels=detector.card.labels)
        result = evaluate(detector.detect_batch, data, "voc07")
        card = detector.card
    kept = {"metric", "mAP", "per_class", "images"}
    figures = {key: value for key, value in result.figures.items() if key in kept}
    card = card.with_changes(
        metrics={"voc07": figures, "data": f"{data_name}, val"},
        training=training_of(card, data_name),
        thresholds=raised(shown_thresholds(data, result.detections)),
    )
    model = onnx.load(str(path))
    write_card(model, card)
    with replacing(path) as unfinished:
        onnx.save(model, str(unfinished))
    return float(result.figures["mAP"])


def raised(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return thresholds that none of LEAST_SHOWN is above."""
    return {label: max(score, LEAST_SHOWN.get(label, 0.0)) for label, score in thresholds.items()}


def training_of(card: ModelCard, data_name: str) -> dict[str, object]:
    """Return the card's record of the training: its data under their public name, its recipe with a hash."""
    named = {key: {**card.training[key], "source": f"{data_name}, {split}"} for key, split in SPLITS.items()}
    recipe = json.dumps(card.training["recipe"], sort_keys=True)
    return {**card.training, **named, "recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest()}


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *sys.argv[2:5], sys.argv[5:])
