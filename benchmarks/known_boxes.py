"""A clip with known boxes: photographs of objects move over a photograph. What do tracks keep of it, by interval?

`python benchmarks/known_boxes.py voc:ROOT@val` pastes objects that the detector knows, lets them walk, turn, come and
go over a blurred photograph, writes the clip, and prints JSON: the share of the true boxes that the tracks
have at an IoU of 0.5, and how many boxes they have besides.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgessd import Detector, PostProcess
from edgessd.model.boxes import iou
from edgessd.model.detections import Detections
from edgessd.model.postprocess import FAINT
from edgessd.tracking.assignment import exact
from edgessd_training.data.images import read_image
from edgessd_training.data.read import read_data
from edgessd_training.data.records import Record
from skipping import run

HEIGHT, WIDTH, FPS = 720, 1280, 15.0
MARGIN = 0.15  # of its background that an object is cut out with, a side, in parts of its box; it fades out
MIDDLE_HEIGHT = 260.0  # of a pasted cut-out, pixels
SURE = 0.75  # the detector's score of an object that is taken
SAME = 0.5  # IoU
Truth = tuple[np.ndarray, np.ndarray]  # boxes_xyxy (N, 4), classes (N,)


def cut_outs(
    detector: Detector, records: list[Record], count: int, ground: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Return objects with their fading masks, (h, w, 3) uint8 and (h, w, 1) in 0..1, and their classes.

    Objects that the detector is not sure of in the middle of the ground, (H, W, 3), are passed over.
    """
    found = []
    for record in records:
        if len(record.boxes_xyxy) != 1 or len(found) == count:
            continue
        picture = read_image(record.path)
        left, top, right, bottom = record.boxes_xyxy[0]
        side = MARGIN * np.array([right - left, bottom - top])
        outer = np.array([left - side[0], top - side[1], right + side[0], bottom + side[1]]).round().astype(int)
        whole = outer[:2].min() >= 0 and outer[2] <= record.width and outer[3] <= record.height
        if not whole:
            continue
        piece = picture[outer[1] : outer[3], outer[0] : outer[2]]
        across, down = (np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1) / (MARGIN * n) for n in piece.shape[1::-1])
        mask = np.clip(np.minimum(across[None, :], down[:, None]), 0, 1)[..., None]
        cut = piece, mask, int(record.classes[0])
        scene = ground.copy()
        boxes_xyxy = _paste(scene, *_scaled(cut, MIDDLE_HEIGHT)[:2], np.array([WIDTH, HEIGHT]) / 2)[None]
        detections = detector.detect(scene)
        same = iou(boxes_xyxy, detections.boxes_xyxy)[0] * (detections.classes == record.classes[0])
        if (same[detections.scores >= SURE] > 0.75).any():
            found.append(cut)
    return found


def paths(count: int, frames: int, random: np.random.Generator) -> Iterator[tuple[np.ndarray, float]]:
    """Yield for each object its centre by frame, (frames, 2), and its height, all in pixels.

    In turns: straight through the picture, on a curve, to and fro with stops, and nearly at rest. Speeds are
    0.2 to 0.6 of its height a second.
    """
    seconds = np.arange(frames) / FPS
    for index in range(count):
        height, phase = MIDDLE_HEIGHT * random.uniform(0.8, 1.2), random.uniform(0, 2 * np.pi)
        speed = height * random.uniform(0.2, 0.6)
        lane = HEIGHT * (0.25 + 0.5 * (index % 3) / 2)
        kind = index % 4
        if kind == 0:
            x = (index * 331 + speed * seconds) % (WIDTH + 2 * height) - height
            y = np.full(frames, lane)
        elif kind == 1:
            radius = random.uniform(120, 200)
            x = WIDTH / 2 + 2 * radius * np.cos(phase + speed / radius / 2 * seconds)
            y = HEIGHT / 2 + radius * np.sin(phase + speed / radius / 2 * seconds)
        elif kind == 2:
            x = random.uniform(200, WIDTH - 200) + np.cumsum(speed * np.sign(np.sin(seconds + phase)) / FPS)
            x -= np.cumsum(speed * np.sign(np.sin(seconds + phase)) * (np.sin(seconds * 0.7) > 0.5) / FPS)
            y = np.full(frames, lane)
        else:
            x = random.uniform(200, WIDTH - 200) + 6 * np.sin(seconds)
            y = np.full(frames, lane)
        yield np.stack([x, y], axis=1), height


def clip(detector: Detector, records: list[Record], path: Path, objects: int, seconds: float, seed: int) -> list[Truth]:
    """Write the clip and return its true boxes by frame; a box counts where half of it is in the picture.

    Of objects that hide each other the one behind counts while half of it is seen.
    """
    random, frames = np.random.default_rng(seed), round(seconds * FPS)
    ground = cv2.GaussianBlur(cv2.resize(read_image(records[0].path), (WIDTH, HEIGHT)), (0, 0), 40)
    pieces = cut_outs(detector, records[1:], objects, ground)
    if len(pieces) < objects:
        raise SystemExit(f"{objects} objects are wanted, the data has {len(pieces)} that the detector is sure of")
    ways = list(paths(objects, frames, random))
    pieces = [_scaled(piece, tall) for piece, (_, tall) in zip(pieces, ways, strict=True)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    truths = []
    for frame in range(frames):
        picture, owner = ground.copy(), np.full((HEIGHT, WIDTH), -1, np.int8)
        whole, boxes = [], []
        for index, ((small, fade, _), (centres, _)) in enumerate(zip(pieces, ways, strict=True)):
            box = _paste(picture, small, fade, centres[frame])
            cut = np.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
            low, high = cut[:2].astype(int), cut[2:].astype(int)
            owner[low[1] : high[1], low[0] : high[0]] = index
            boxes.append(cut)
            whole.append(float(np.prod(box[2:] - box[:2])))
        seen = np.array([(owner == index).sum() for index in range(objects)]) >= 0.5 * np.array(whole)
        truths.append((np.array(boxes, np.float32)[seen], np.array([kind for *_, kind in pieces])[seen]))
        writer.write(picture)
    writer.release()
    return truths


def _paste(picture: np.ndarray, small: np.ndarray, fade: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Blend an object into a picture, which is changed; return the object's box, xyxy, which may reach beyond it."""
    size_wh = np.array(small.shape[1::-1])
    left, top = (centre - size_wh / 2).round().astype(int)
    x, y = (slice(max(start, 0), max(start + n, 0)) for start, n in zip((left, top), size_wh, strict=True))
    there = picture[y, x]
    rows, columns = there.shape[:2]
    inner = slice(max(-top, 0), max(-top, 0) + rows), slice(max(-left, 0), max(-left, 0) + columns)
    picture[y, x] = (small[inner] * fade[inner] + there * (1 - fade[inner])).round()
    edge, corner = MARGIN / (1 + 2 * MARGIN) * size_wh, np.array([left, top])
    return np.concatenate([corner + edge, corner + size_wh - edge])


def _scaled(piece: tuple[np.ndarray, np.ndarray, int], height: float) -> tuple[np.ndarray, np.ndarray, int]:
    picture, mask, kind = piece
    scale = height / picture.shape[0]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small, cv2.resize(mask, small.shape[1::-1])[..., None], kind


def kept(truths: list[Truth], found: list[Detections]) -> dict[str, float]:
    """Return which share of the true boxes have a tracked one, and how many tracked ones there are besides."""
    true = hits = more = 0
    for (boxes_xyxy, classes), tracked in zip(truths, found, strict=True):
        same = iou(boxes_xyxy, tracked.boxes_xyxy) * (classes[:, None] == tracked.classes[None, :])
        rows, _ = exact(same.astype(np.float64), SAME)
        true, hits, more = true + len(classes), hits + len(rows), more + len(tracked) - len(rows)
    return {"boxes": true, "found": round(hits / max(true, 1), 4), "besides": more}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", default="default")
    parser.add_argument("--intervals", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--objects", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="Where the clip is kept, as .mp4.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Detector(options.model, workers=2) as detector:
        path = options.keep or Path(folder) / "known.mp4"
        records = list(read_data(options.data, detector.card.labels).records)
        np.random.default_rng(options.seed).shuffle(records)
        truths = clip(detector, records, path, options.objects, options.seconds, options.seed)
        report, first = {}, None
        with Detector(options.model, workers=2, settings=PostProcess(faint=FAINT)) as tracking:
            for interval in options.intervals:
                results, cpu_seconds = run(tracking, path, interval=interval)
                found = [detections[detections.ids > 0] for *_, detections in results]
                first = first or [(each.boxes_xyxy, each.classes) for each in found]
                report[f"interval {interval}"] = kept(truths, found) | {
                    "of the first's boxes": kept(first, [detections for *_, detections in results])["found"],
                    "cpu_ms_per_frame": round(cpu_seconds / len(results) * 1e3, 2),
                }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
