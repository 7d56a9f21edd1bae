"""Makes the shipped models from a checkpoint: `python export/ship_models.py best.pt CALIBRATION VAL DATA_NAME`.

Writes NAME_int8.onnx, NAME_int8_tensorrt.onnx and NAME_fp16.onnx into runtime/edgessd/models, each judged on VAL as it
ships; the figures and DATA_NAME, which stands in the card for the folders of this machine, go into its card.
"""

import sys
from pathlib import Path

import onnx

from edgessd import Detector, ModelCard
from edgessd.files import replacing
from edgessd.postprocess import EVALUATION
from edgessd_export.calibration import calibrate, gate_images, image_paths, inputs, spread
from edgessd_export.onnx_export import Layout, float_graph, write_card
from edgessd_export.quantize import Int8, weights_hash, write_fp16, write_int8
from edgessd_training.checkpoint import load_checkpoint
from edgessd_training.data.read import read_data
from edgessd_training.metrics.evaluate import evaluate

MODELS = Path(__file__).parents[1] / "runtime/edgessd/models"
CALIBRATION_IMAGES = 300


def main(checkpoint_path: Path, calibration_data: str, val: str, data_name: str) -> None:
    """Write the three files and print what each scores."""
    checkpoint = load_checkpoint(checkpoint_path)
    card, layout = checkpoint.card, Layout()
    plain = float_graph(checkpoint, layout)
    paths = spread(image_paths(calibration_data), CALIBRATION_IMAGES)
    ranges = calibrate(plain, lambda: inputs(paths, card.height, card.width), "max", weights_hash(checkpoint))
    sample = gate_images(calibration_data, card)
    files = {kind: MODELS / f"{card.name}_{kind}.onnx" for kind in ("int8", "int8_tensorrt", "fp16")}
    write_int8(checkpoint, files["int8"], layout, Int8("cpu", ranges), plain, sample)
    write_int8(checkpoint, files["int8_tensorrt"], layout, Int8("tensorrt", ranges), plain, sample)
    write_fp16(checkpoint, files["fp16"], layout)
    for path in files.values():
        figures = judged(path, val, data_name)
        print(path.name, f"{path.stat().st_size / 1e6:.1f} MB", f"voc07 {figures['mAP']:.4f}")


def judged(path: Path, val: str, data_name: str) -> dict[str, object]:
    """Return a file's figures on VAL, and write them into its card."""
    with Detector(path, backend="onnxruntime", settings=EVALUATION) as detector:
        data = read_data(val, labels=detector.card.labels)
        figures = evaluate(detector.detect_batch, data, "voc07").figures
        card = detector.card
    kept = {"metric", "mAP", "per_class", "images"}
    metrics = {"voc07": {key: value for key, value in figures.items() if key in kept}, "data": f"{data_name}, val"}
    model = onnx.load(str(path))
    write_card(model, card.with_changes(metrics=metrics, training=training_of(card, data_name)))
    with replacing(path) as unfinished:
        onnx.save(model, str(unfinished))
    return figures


def training_of(card: ModelCard, data_name: str) -> dict[str, object]:
    """Return the card's record of the training, its data under their public name."""
    named = {split: {**card.training[split], "source": f"{data_name}, {split}"} for split in ("data", "val")}
    return {**card.training, **named}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
