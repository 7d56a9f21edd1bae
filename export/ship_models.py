"""Makes the shipped models: `python export/ship_models.py best.pt VAL DATA_NAME SIZE[:PRECISION]...`.

A network that tells distances takes any input size with the same weights, so one checkpoint gives every file:
NAME_SIZE.onnx in fp32 or NAME_SIZE_fp16.onnx, among the runtime's shipped models. Each is judged on VAL as it ships,
in ONNX Runtime; its figures, its thresholds and DATA_NAME (in place of the folders of this machine) go into its card.
"""

import hashlib
import json
import sys
from pathlib import Path

import onnx

from edgessd import Detector, ModelCard
from edgessd.model.postprocess import EVALUATION
from edgessd.util.files import replacing
from edgessd_export.graph.float_graph import Layout, write_card
from edgessd_export.write import export_onnx, write_fp16
from edgessd_training.checkpoint import Checkpoint, load_checkpoint
from edgessd_training.data.read import read_data
from edgessd_training.metrics.balance import shown_thresholds
from edgessd_training.metrics.evaluate import evaluate
from edgessd_training.networks import build

SPLITS = {"data": "train", "val": "val"}
MODELS = Path(__file__).parents[1] / "runtime/edgessd/model/shipped"


def main(checkpoint_path: Path, val: str, data_name: str, kinds: list[str]) -> None:
    """Write the files and print what each scores."""
    source = load_checkpoint(checkpoint_path)
    for kind in kinds:
        size, _, precision = kind.partition(":")
        checkpoint = resized(source, int(size))
        path = MODELS / f"{checkpoint.card.name}{'_fp16' if precision == 'fp16' else ''}.onnx"
        if precision == "fp16":
            write_fp16(checkpoint, path, Layout())
        else:
            export_onnx(checkpoint, path)
        mean = judged(path, val, data_name)
        print(path.name, f"{path.stat().st_size / 1e6:.1f} MB", f"voc07 {mean:.4f}", flush=True)


def resized(source: Checkpoint, size: int) -> Checkpoint:
    """Return the checkpoint with another input size. Raises ValueError where its heads answer for priors of one."""
    if source.network.coding != "ltrb":
        raise ValueError(f"{source.card.name} has priors for one input size: export it with `edgessd export`")
    description = {**source.description, "input_size": size}
    network = build(description)
    network.load_state_dict(source.network.state_dict())
    card = source.card.with_changes(
        name=f"{source.card.name}_{size}", height=size, width=size, priors=network.priors, metrics={}
    )
    return Checkpoint(network.eval(), description, card)


def judged(path: Path, val: str, data_name: str) -> float:
    """Return a file's mAP on VAL, and write its figures and thresholds into its card."""
    with Detector(path, backend="onnxruntime", settings=EVALUATION, threads=1) as detector:
        data = read_data(val, labels=detector.card.labels)
        result = evaluate(detector.detect_batch, data, "voc07")
        card = detector.card
    kept = {"metric", "mAP", "per_class", "images"}
    figures = {key: value for key, value in result.figures.items() if key in kept}
    card = card.with_changes(
        metrics={"voc07": figures, "data": f"{data_name}, val"},
        training=training_of(card, data_name),
        thresholds=shown_thresholds(data, result.detections),
    )
    model = onnx.load(str(path))
    write_card(model, card)
    with replacing(path) as unfinished:
        onnx.save(model, str(unfinished))
    return float(result.figures["mAP"])


def training_of(card: ModelCard, data_name: str) -> dict[str, object]:
    """Return the card's record of the training: its data under their public name, its recipe with a hash."""
    named = {key: {**card.training[key], "source": f"{data_name}, {split}"} for key, split in SPLITS.items()}
    recipe = json.dumps(card.training["recipe"], sort_keys=True)
    return {**card.training, **named, "recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest()}


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
