"""Makes the shipped models from a checkpoint: `python export/ship_models.py best.pt TRAIN VAL DATA_NAME`.

A checkpoint's scores are balanced first. In its place the shipped fp16 file may be given, whose scores are balanced
already: its weights are quantised anew. Ranges are measured on images of TRAIN, balance on those and
VAL. Writes NAME_int8.onnx, NAME_int8_tensorrt.onnx and NAME_fp16.onnx into the runtime's shipped models, each judged on
VAL as it ships; the figures and DATA_NAME, which stands in the card for the folders of this machine, go into its card.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import onnx

from edgessd import Detector, ModelCard
from edgessd.model.postprocess import EVALUATION
from edgessd.util.files import replacing
from edgessd_export.graph.float_graph import Layout, float_graph, write_card
from edgessd_export.graph.layers import Graph
from edgessd_export.graph.restore import restore_checkpoint
from edgessd_export.images import for_gate, inputs, spread
from edgessd_export.quantisation.calibration import calibrate
from edgessd_export.quantisation.int8 import Int8
from edgessd_export.write import weights_hash, write_fp16, write_int8
from edgessd_training.balance import best_thresholds, shift_scores
from edgessd_training.checkpoint import Checkpoint, load_checkpoint
from edgessd_training.data.read import read_data
from edgessd_training.metrics.evaluate import evaluate
from edgessd_training.metrics.network import network_detector

MODELS = Path(__file__).parents[1] / "runtime/edgessd/model/shipped"
CALIBRATION_IMAGES = 300
BALANCE_IMAGES = 1000


def main(checkpoint_path: Path, train: str, val: str, data_name: str) -> None:
    """Write the three files and print what each scores."""
    if checkpoint_path.suffix == ".onnx":
        checkpoint = restore_checkpoint(checkpoint_path)
        thresholds = checkpoint.card.training["balanced_thresholds"]
    else:
        checkpoint = load_checkpoint(checkpoint_path)
        thresholds = balance(checkpoint, train, val)
    card, layout = checkpoint.card, Layout()
    plain = float_graph(checkpoint, layout)
    _, paths, held_out = for_gate(train, val, CALIBRATION_IMAGES)
    ranges = calibrate(plain, lambda: inputs(paths, card.height, card.width), "percentile", weights_hash(checkpoint))
    sample = held_out(card)
    files = {kind: MODELS / f"{card.name}_{kind}.onnx" for kind in ("int8", "int8_tensorrt", "fp16")}
    # 255 steps over all of a logit's range are coarse where scores decide the order; these layers are 2% of the work.
    heads = [layer.name for layer in Graph(plain).layers if layer.name.startswith("confidence.")]
    write_int8(checkpoint, files["int8"], layout, Int8("cpu", ranges, keep_float=heads), plain, sample)
    write_int8(checkpoint, files["int8_tensorrt"], layout, Int8("tensorrt", ranges, rest="fp16"), images=sample)
    write_fp16(checkpoint, files["fp16"], layout)
    for path in files.values():
        figures = judged(path, val, data_name, thresholds)
        print(path.name, f"{path.stat().st_size / 1e6:.1f} MB", f"voc07 {figures['mAP']:.4f}")


def balance(checkpoint: Checkpoint, train: str, val: str) -> dict[str, float]:
    """Shift the checkpoint's scores so that 0.5 is a good threshold for every class; return what was one before."""
    data, unseen = (read_data(source, labels=checkpoint.card.labels) for source in (train, val))
    data = replace(data, records=(*spread(data.records, BALANCE_IMAGES), *unseen.records))
    with network_detector(checkpoint.network, checkpoint.card) as detect:
        thresholds = best_thresholds(data, evaluate(detect, data, "voc07", batch=8).detections)
    shift_scores(checkpoint.network, thresholds)
    return {label: round(float(at), 4) for label, at in zip(data.labels, thresholds, strict=True)}


def judged(path: Path, val: str, data_name: str, thresholds: dict[str, float]) -> dict[str, object]:
    """Return a file's figures on VAL, and write them into its card."""
    with Detector(path, backend="onnxruntime", settings=EVALUATION) as detector:
        data = read_data(val, labels=detector.card.labels)
        figures = evaluate(detector.detect_batch, data, "voc07").figures
        card = detector.card
    kept = {"metric", "mAP", "per_class", "images"}
    metrics = {"voc07": {key: value for key, value in figures.items() if key in kept}, "data": f"{data_name}, val"}
    model = onnx.load(str(path))
    write_card(model, card.with_changes(metrics=metrics, training=training_of(card, data_name, thresholds)))
    with replacing(path) as unfinished:
        onnx.save(model, str(unfinished))
    return figures


def training_of(card: ModelCard, data_name: str, thresholds: dict[str, float]) -> dict[str, object]:
    """Return the card's record of the training: its data under their public name, its recipe with a hash.

    thresholds: which score of each class became 0.5.
    """
    splits = {"data": "train", "val": "val"}
    named = {key: {**card.training[key], "source": f"{data_name}, {split}"} for key, split in splits.items()}
    recipe = json.dumps(card.training["recipe"], sort_keys=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    return {**card.training, **named, "recipe_sha256": digest, "balanced_thresholds": thresholds}


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), *sys.argv[2:5])
