"""``eval``: the tiny model's answers are known by hand, so is its mAP; a network in memory measures the same."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import blue_cell

from edgessd.commands.cli import run

TINY = Path(__file__).parents[1] / "runtime" / "tiny.onnx"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def write_voc(root, images, split="val"):
    """Write {name: (image, [(label, xyxy)])} as VOC."""
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, (image, boxes) in images.items():
        cv2.imwrite(str(root / "JPEGImages" / f"{name}.png"), image)
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
            f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            for label, (x1, y1, x2, y2) in boxes
        )
        height, width = image.shape[:2]
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    (root / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{name}\n" for name in images))
    return f"voc:{root}@{split}"


def scenes(blue="blue", red="red"):
    """Three images: a blue cell found, a red one found, and a blue one that nobody annotated."""
    large, flat = blue_cell(1, 2, height=48, width=64), blue_cell(0, 0, height=24, width=64)
    swapped = blue_cell(2, 3, height=48, width=32)[..., ::-1].copy()
    return {
        "a": (large, [(blue, (32, 16, 48, 32)), (blue, (0, 0, 16, 16))]),
        "b": (swapped, [(red, (24, 32, 32, 48))]),
        "c": (flat, []),
    }


def result(path):
    return json.loads(path.read_text())


def test_the_map_by_hand(tmp_path, capfd):
    """Blue: one of two boxes found and, at the same score but in a later image, one found in vain."""
    text = write_voc(tmp_path, scenes())
    out = tmp_path / "out.json"
    assert run(["eval", str(TINY), "--data", text, "--json", str(out)]) == 0
    figures = result(out)
    # blue's recall reaches 0, 0.1, ..., 0.5 at precision 1
    assert figures["per_class"] == {"blue": pytest.approx(6 / 11), "red": pytest.approx(1)}
    assert figures["mAP"] == pytest.approx((6 / 11 + 1) / 2)
    assert (figures["metric"], figures["images"], figures["boxes"], figures["detections"]) == ("voc07", 3, 3, 3)
    assert "mAP (voc07)  0.7727" in capfd.readouterr().out
    assert run(["eval", str(TINY), "--data", text, "--metric", "voc12", "--json", str(out), "--batch", "2"]) == 0
    assert result(out)["mAP"] == pytest.approx((1 / 2 + 1) / 2)


@pytest.mark.parametrize("metric", ["voc07", "voc12", "coco"])
def test_score_repeats_eval_without_an_image(tmp_path, metric):
    text = write_voc(tmp_path, scenes())
    found, first, second = (tmp_path / name for name in ("found.json", "first.json", "second.json"))
    command = ["eval", str(TINY), "--data", text, "--metric", metric, "--backend", "onnxruntime"]
    assert run([*command, "--json", str(first), "--detections", str(found)]) == 0
    rows = json.loads(found.read_text())
    assert rows[0] == {"file_name": "a.png", "label": "blue", "bbox": [32, 16, 16, 16], "score": 1.0}
    for image in (tmp_path / "JPEGImages").iterdir():
        image.unlink()
    assert run(["score", str(found), "--data", text, "--metric", metric, "--json", str(second)]) == 0
    own = {"model", "detections_file"}
    assert {k: v for k, v in result(first).items() if k not in own} == {
        k: v for k, v in result(second).items() if k not in own
    }


def test_the_labels_of_model_and_data_must_meet(tmp_path, capfd):
    text = write_voc(tmp_path, scenes(blue="sky", red="fire"))
    out = tmp_path / "out.json"
    command = ["eval", str(TINY), "--data", text, "--json", str(out)]
    assert run(command) == 2
    assert "fire, sky are unknown to the model, which has blue, red" in capfd.readouterr().err
    label_map = tmp_path / "map.json"
    label_map.write_text(json.dumps({"blue": "sky", "red": "fire", "green": "grass"}))
    assert run([*command, "--label-map", str(label_map)]) == 0
    assert result(out)["per_class"] == {"fire": pytest.approx(1), "sky": pytest.approx(6 / 11)}
    label_map.write_text(json.dumps({"blue": "sky", "red": None}))
    capfd.readouterr()
    assert run([*command, "--label-map", str(label_map)]) == 0
    assert result(out)["per_class"] == {"fire": 0, "sky": pytest.approx(6 / 11)}
    assert "no class of the model is mapped to fire: their AP is 0" in capfd.readouterr().err
    for wrong in ({"sky": "blue"}, ["blue"], {"blue": 1}):
        label_map.write_text(json.dumps(wrong))
        assert run([*command, "--label-map", str(label_map)]) == 2
    assert run([*command, "--label-map", "nowhere"]) == 2
    assert "a shipped one (coco_to_voc)" in capfd.readouterr().err


def test_a_label_that_only_the_model_has_stays_out_of_the_mean(tmp_path):
    text = write_voc(tmp_path, {"a": scenes()["a"]})
    out = tmp_path / "out.json"
    assert run(["eval", str(TINY), "--data", text, "--json", str(out)]) == 0
    assert result(out)["per_class"] == {"blue": pytest.approx(6 / 11), "red": None}


def test_bad_input_is_refused_and_leaves_no_file(tmp_path, capfd):
    text = write_voc(tmp_path, scenes())
    out = tmp_path / "out.json"
    command = ["eval", str(TINY), "--data", text, "--json", str(out)]
    assert run([*command, "--metric", "voc08"]) == 2
    assert run([*command, "--batch", "0"]) == 2
    assert run([*command, "--nms-iou", "2"]) == 2
    assert run([*command, "--backend", "quantum"]) == 2
    assert run(["eval", str(tmp_path / "none.onnx"), "--data", text]) == 2
    assert run(["eval", str(tmp_path / "none.pt"), "--data", text]) == 2
    assert run(["eval", str(tmp_path / "none.pt"), "--data", text, "--backend", "openvino"]) == 2
    assert run(["eval", str(TINY)]) == 2
    assert run(["eval", str(TINY), "--data", text, "--json", str(tmp_path / "no" / "out.json")]) == 2
    image = tmp_path / "JPEGImages" / "b.png"
    content = image.read_bytes()
    capfd.readouterr()
    for damaged, complaint in ((content[:-9], "cut off"), (b"text", "no image that OpenCV can decode")):
        image.write_bytes(damaged)
        assert run(command) == 2
        assert complaint in capfd.readouterr().err
    cv2.imwrite(str(image), np.zeros((30, 40, 3), np.uint8))
    assert run(command) == 2
    assert "has 40x30 pixels, its annotation says 32x48" in capfd.readouterr().err
    assert not out.exists()


def test_neither_eval_nor_score_nor_check_loads_torch(tmp_path):
    text = write_voc(tmp_path, scenes())
    found = tmp_path / "found.json"
    lines = [
        "import sys",
        "from edgessd.commands.cli import run",
        f"assert run(['eval', {str(TINY)!r}, '--data', {text!r}, '--detections', {str(found)!r}]) == 0",
        f"assert run(['data', 'check', {text!r}]) == 0",
        "assert 'torch' not in sys.modules, 'torch was loaded'",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
    lines[2:4] = [f"assert run(['score', {str(found)!r}, '--data', {text!r}]) == 0", "assert 'cv2' not in sys.modules"]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_checkpoint_network_and_onnx_measure_the_same(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from small_network import small_checkpoint

    from edgessd.model.postprocess import EVALUATION, PostProcess
    from edgessd_export.write import export_onnx
    from edgessd_training.checkpoint import save_checkpoint
    from edgessd_training.data.read import read_data, with_labels
    from edgessd_training.metrics.evaluate import evaluate
    from edgessd_training.metrics.network import network_detector

    checkpoint = small_checkpoint()
    random = np.random.RandomState(0)
    images = {}
    with network_detector(checkpoint.network, checkpoint.card, PostProcess(score=0.4, detections=6)) as detect:
        for name in "abcd":
            noise = random.randint(0, 255, (6, 9, 3)).astype(np.uint8)
            image = cv2.resize(noise, (90, 60), interpolation=cv2.INTER_CUBIC)
            (found,) = detect([image])
            boxes = found.boxes_xyxy.round().astype(int).tolist()
            labels = [checkpoint.card.labels[index] for index in found.classes]
            pairs = list(zip(labels, boxes, strict=True))
            # Half of what the network finds is annotated, so that the metric lies between 0 and 1.
            images[name] = (image, [(label, box) for label, box in pairs[::2] if box[2] > box[0] and box[3] > box[1]])
    text = write_voc(tmp_path, images)
    save_checkpoint(tmp_path / "m.pt", checkpoint.network, checkpoint.description, checkpoint.card)
    export_onnx(checkpoint, tmp_path / "m.onnx")
    figures = {}
    for model in ("m.pt", "m.onnx"):
        assert run(["eval", str(tmp_path / model), "--data", text, "--json", str(tmp_path / "out.json")]) == 0
        figures[model] = result(tmp_path / "out.json")
    assert 0.05 < figures["m.pt"]["mAP"] < 0.95
    assert figures["m.onnx"]["mAP"] == pytest.approx(figures["m.pt"]["mAP"], abs=1e-3)
    data = with_labels(read_data(text), checkpoint.card.labels)
    checkpoint.network.train()
    with network_detector(checkpoint.network, checkpoint.card, EVALUATION) as detect:
        assert not checkpoint.network.training
        outcome = evaluate(detect, data, "voc07", batch=3)
    assert checkpoint.network.training
    assert outcome.figures["mAP"] == pytest.approx(figures["m.pt"]["mAP"], abs=1e-3)
    assert len(outcome.detections) == 4


def test_the_shipped_map_joins_all_twenty_labels():
    from edgessd_training.metrics.labels import read_label_map

    label_map = read_label_map("coco_to_voc")
    assert len(set(label_map.values())) == 20
    names = SHARED / "weights" / "labelmap.txt"
    if not names.exists():
        pytest.skip("needs the shared test data, which only the developers' checkouts have")
    assert set(label_map) <= set(names.read_text().splitlines())


def test_the_map_goes_into_an_acceptance_report(tmp_path):
    out, folder = tmp_path / "out.json", tmp_path / "report"
    assert run(["eval", str(TINY), "--data", write_voc(tmp_path, scenes()), "--json", str(out)]) == 0
    assert run(["bench", str(TINY), "--frames", "10", "--report", str(folder), "--map-json", str(out)]) == 0
    assert "- mAP (voc07) 0.7727 on 3 images" in (folder / "report.md").read_text()
    assert str(tmp_path) not in (folder / "report.json").read_text()
