"""Small objects in large frames: what tiles find, and whether their seams show.

`python benchmarks/small_objects.py voc:ROOT@val` pastes the set's images, 130 pixels long, into scenes of 1920x1080
and prints COCO's figures and the doubles as JSON, for each of the `--tiles`.
"""

import argparse
import json
import resource
from pathlib import Path

import cv2
import numpy as np

from edgessd import Detector
from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd.model.postprocess import EVALUATION, PostProcess
from edgessd.model.tiles import tiles_named
from edgessd_training.data.images import read_image
from edgessd_training.data.read import read_data
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics.coco import coco_result

HEIGHT, WIDTH = 1080, 1920
SIDE = 130  # pixels of a pasted image, the longer one
COLUMNS, ROWS = 8, 5  # of places
IMAGES = 24  # a scene
SAME = 0.5  # IoU


def scene(records: list[Record], random: np.random.Generator, index: int) -> tuple[np.ndarray, Record]:
    """Return a picture of blurred colours with images pasted in, and where their objects are."""
    ground = cv2.resize(read_image(records[0].path), (WIDTH, HEIGHT))
    picture = cv2.blur(ground, (301, 301))
    boxes, classes, difficult = [], [], []
    places = random.permutation(COLUMNS * ROWS)[: len(records)]
    for record, place in zip(records, places, strict=True):
        scale = SIDE / max(record.height, record.width)
        small = cv2.resize(read_image(record.path), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        row, column = divmod(int(place), COLUMNS)
        left = column * WIDTH // COLUMNS + int(random.integers(0, WIDTH // COLUMNS - width))
        top = row * HEIGHT // ROWS + int(random.integers(0, HEIGHT // ROWS - height))
        picture[top : top + height, left : left + width] = small
        scales = np.array([width / record.width, height / record.height] * 2)
        boxes.append(record.boxes_xyxy * scales + [left, top, left, top])
        classes.append(record.classes)
        difficult.append(record.difficult)
    found = np.concatenate(boxes).astype(np.float32)
    hard = np.concatenate(difficult)
    name = f"scene {index}"
    return picture, Record(name, Path(name), HEIGHT, WIDTH, found, np.concatenate(classes), hard, np.zeros_like(hard))


def doubles(found: Detections, truth: Record) -> int:
    """Return how many boxes of one class lie on an object that another box of that class already has."""
    same = iou(truth.boxes_xyxy, found.boxes_xyxy) >= SAME
    same &= truth.classes[:, None] == found.classes[None, :]
    return int(np.maximum(same.sum(axis=1) - 1, 0).sum())


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", default="default")
    parser.add_argument("--tiles", nargs="+", default=["1x1", "2x2", "3x2"], help="1x1 is the frame alone.")
    parser.add_argument("--scenes", type=int, default=20)
    options = parser.parse_args()
    report = {}
    with Detector(options.model, settings=EVALUATION) as loose, Detector(options.model, settings=PostProcess()) as sure:
        data = read_data(options.data, loose.card.labels)
        random = np.random.default_rng(0)
        order = random.permutation(len(data.records))
        chosen = [order[start : start + IMAGES] for start in range(0, options.scenes * IMAGES, IMAGES)]
        scenes = [scene([data.records[i] for i in rows], random, index) for index, rows in enumerate(chosen)]
        truth = DataSet("scenes", data.labels, tuple(record for _, record in scenes))
        for name in options.tiles:
            tiles = None if name == "1x1" else tiles_named(name)
            before = resource.getrusage(resource.RUSAGE_SELF)
            all_found, shown = [], []
            for picture, _ in scenes:
                all_found.append(loose.detect_tiled_timed(picture, tiles)[0] if tiles else loose.detect(picture))
            after = resource.getrusage(resource.RUSAGE_SELF)
            for picture, _ in scenes:
                shown.append(sure.detect_tiled_timed(picture, tiles)[0] if tiles else sure.detect(picture))
            figures = coco_result(truth, all_found)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            pairs = list(zip(shown, truth.records, strict=True))
            report[name] = {key: round(figures[key], 4) for key in ("AP", "AP50", "APs", "APm", "ARs")} | {
                "boxes_shown": sum(len(found) for found, _ in pairs),
                "doubles": sum(doubles(found, record) for found, record in pairs),
                "cpu_ms_per_frame": round(cpu / len(scenes) * 1e3, 1),
            }
    small = sum(int(((r.boxes_xyxy[:, 2:] - r.boxes_xyxy[:, :2]).prod(axis=1) < 32**2).sum()) for r in truth.records)
    print(json.dumps({"scenes": len(scenes), "objects_under_32_px": small, "tiles": report}, indent=1))


if __name__ == "__main__":
    main()
