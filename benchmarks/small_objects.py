"""Small objects in large frames: what tiles find, and whether their seams show.

`python benchmarks/small_objects.py voc:ROOT@val` pastes the set's images of one object into scenes of 1920x1080, at the
`--sizes` asked for (the root of an object's area in pixels), and prints for each of the `--tiles` COCO's figures, the
doubles, and how large the objects are for the network, as JSON.
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
from edgessd.model.postprocess import EVALUATION
from edgessd.model.tiles import Tiles, tiles_named
from edgessd_training.data.images import read_image
from edgessd_training.data.read import read_data
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics.coco import coco_result

HEIGHT, WIDTH = 1080, 1920
LONGEST = 200  # pixels of a pasted image
LEAST = 0.1  # of an image's area, that its object fills: a smaller one comes with a picture of other things
COLUMNS, ROWS = 8, 5  # of places
IMAGES = 24  # a scene
SAME = 0.5  # IoU
SHOWN = 0.3  # score, of boxes that are counted as shown


def scene(
    records: list[Record], sizes: tuple[int, int], random: np.random.Generator, index: int
) -> tuple[np.ndarray, Record]:
    """Return a picture of blurred colours with images pasted in, and where their objects are.

    sizes: the least and the largest root of an object's area, in pixels.
    """
    ground = cv2.resize(read_image(records[0].path), (WIDTH, HEIGHT))
    picture = cv2.blur(ground, (301, 301))
    boxes, classes, difficult = [], [], []
    places = random.permutation(COLUMNS * ROWS)[: len(records)]
    for record, place in zip(records, places, strict=True):
        wanted = random.uniform(*sizes)
        scale = min(wanted / size_of(record), LONGEST / max(record.height, record.width))
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


def size_of(record: Record) -> float:
    """Return the root of the area of a record's only box, in pixels."""
    return float(np.sqrt((record.boxes_xyxy[0, 2:] - record.boxes_xyxy[0, :2]).prod()))


def alone(record: Record) -> bool:
    """Return whether an image holds one object, whole enough to be judged, and little else."""
    large = len(record.boxes_xyxy) == 1 and size_of(record) ** 2 >= LEAST * record.height * record.width
    return large and not record.difficult.any()


def size_for_network(tiles: Tiles | None, side: float, height: int, width: int) -> list[int]:
    """Return how many pixels across and down a square object has at the network's input, in a tile."""
    (left, top), (right, bottom) = tiles.corners(HEIGHT, WIDTH)[0] if tiles else ((0, 0), (WIDTH, HEIGHT))
    return [round(side * width / (right - left)), round(side * height / (bottom - top))]


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
    parser.add_argument("--tiles", nargs="+", default=["1x1", "2x2", "3x2", "4x3", "6x4"], help="1x1: the frame alone.")
    parser.add_argument("--sizes", nargs="+", default=["20-32", "32-48", "48-64", "64-96"])
    parser.add_argument("--scenes", type=int, default=10)
    options = parser.parse_args()
    with Detector(options.model, settings=EVALUATION) as detector:
        data = read_data(options.data, detector.card.labels)
        chosen = [record for record in data.records if alone(record)]
        for sizes in options.sizes:
            print(json.dumps({"sizes": sizes} | judge(detector, data, chosen, sizes, options.tiles, options.scenes)))


def judge(
    detector: Detector, data: DataSet, chosen: list[Record], sizes: str, tile_names: list[str], count: int
) -> dict:
    """Return the figures of scenes of objects of one range of sizes."""
    least, largest = map(int, sizes.split("-"))
    random = np.random.default_rng(0)
    rounds = -(-count * IMAGES // len(chosen))  # an image comes again at another size and place
    order = np.concatenate([random.permutation(len(chosen)) for _ in range(rounds)])
    groups = [order[start : start + IMAGES] for start in range(0, count * IMAGES, IMAGES)]
    scenes = [scene([chosen[i] for i in rows], (least, largest), random, index) for index, rows in enumerate(groups)]
    truth = DataSet("scenes", data.labels, tuple(record for _, record in scenes))
    report = {}
    for name in tile_names:
        tiles = None if name == "1x1" else tiles_named(name)
        before = resource.getrusage(resource.RUSAGE_SELF)
        found = [
            detector.detect_tiled_timed(picture, tiles)[0] if tiles else detector.detect(picture)
            for picture, _ in scenes
        ]
        after = resource.getrusage(resource.RUSAGE_SELF)
        figures = coco_result(truth, found)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        shown = [each[each.scores >= SHOWN] for each in found]
        report[name] = {key: round(figures[key], 4) for key in ("AP", "AP50", "APs")} | {
            "pixels_for_network": size_for_network(
                tiles, (least + largest) / 2, detector.card.height, detector.card.width
            ),
            "shown": sum(map(len, shown)),
            "doubles": sum(doubles(each, record) for each, record in zip(shown, truth.records, strict=True)),
            "cpu_ms_per_frame": round(cpu / len(scenes) * 1e3, 1),
        }
    return {"objects": sum(len(record.boxes_xyxy) for record in truth.records), "tiles": report}


if __name__ == "__main__":
    main()
