"""A little data set of coloured rectangles, written as COCO, for tests that train."""

import json
from pathlib import Path

import cv2
import numpy as np

COLOURS_BGR = {"red": (0, 0, 255), "blue": (255, 0, 0)}
HEIGHT, WIDTH = 60, 80


def write_squares(folder: Path, count: int, seed: int = 0) -> str:
    """Write ``count`` images of 0 to 2 rectangles each, and return the DATA text that names them."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        picture = rng.integers(90, 130, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        for _ in range(number % 3):
            kind = int(rng.integers(0, 2))
            width, height = (int(side) for side in rng.integers(20, 40, 2))
            left, top = int(rng.integers(0, WIDTH - width)), int(rng.integers(0, HEIGHT - height))
            picture[top : top + height, left : left + width] = list(COLOURS_BGR.values())[kind]
            box = {"image_id": number, "category_id": kind + 1, "bbox": [left, top, width, height], "iscrowd": 0}
            annotations.append({**box, "id": len(annotations) + 1, "area": width * height})
        name = f"{number:03}.png"
        cv2.imwrite(str(folder / "images" / name), picture)
        images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(COLOURS_BGR)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "squares.json").write_text(json.dumps(content))
    return f"coco:{folder / 'squares.json'}@{folder / 'images'}"
