"""YOLO as it was in 2016 (1506.02640): 24 convolutions, two fully connected layers, a 7x7 grid of two boxes, 448 px."""

from time import perf_counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comparison.entry import PEER, Accuracy, Entry, Frames, Opened
from comparison.macs import torch_gmac
from edgessd.detector import StageTimes
from edgessd.model.postprocess import suppress

SIDE, GRID, BOXES, CLASSES = 448, 7, 2, 20
SCORE, NMS_IOU = 0.3, 0.45
# (output channels, kernel, stride); "pool" halves the map (1506.02640, figure 3).
LAYERS: tuple[tuple[int, int, int] | str, ...] = (
    (64, 7, 2),
    "pool",
    (192, 3, 1),
    "pool",
    *((128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)),
    "pool",
    *((256, 1, 1), (512, 3, 1)) * 4,
    *((512, 1, 1), (1024, 3, 1)),
    "pool",
    *((512, 1, 1), (1024, 3, 1)) * 2,
    *((1024, 3, 1), (1024, 3, 2)),
    *((1024, 3, 1), (1024, 3, 1)),
)


def yolo_entries() -> list[Entry]:
    """Return the network in PyTorch."""
    return [
        Entry(
            name="YOLO 2016 (torch eager)",
            group=PEER,
            family="yolo2016",
            accuracy=Accuracy(63.4, "voc07", "1506.02640, table 1: YOLO, 45 FPS on a Titan X"),
            needs=("torch",),
            note="random weights; post-processing fed a fixed scene",
        )
    ]


def network() -> Any:
    """Return the untrained network, (B, 3, 448, 448) to (B, 1470)."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = 3
    for layer in LAYERS:
        if isinstance(layer, str):
            layers.append(nn.MaxPool2d(2))
            continue
        outputs, kernel, stride = layer
        layers += [nn.Conv2d(channels, outputs, kernel, stride, kernel // 2), nn.LeakyReLU(0.1)]
        channels = outputs
    values = GRID * GRID * (BOXES * 5 + CLASSES)
    layers += [nn.Flatten(), nn.Linear(channels * GRID * GRID, 4096), nn.LeakyReLU(0.1), nn.Linear(4096, values)]
    return nn.Sequential(*layers)


def decode(answer: NDArray[np.float32], height: int, width: int) -> int:
    """Return how many boxes are left of one answer (1470,): classes, then confidences, then boxes (darknet's order)."""
    cells = GRID * GRID
    classes = answer[: cells * CLASSES].reshape(cells, 1, CLASSES)
    confidences = answer[cells * CLASSES :][: cells * BOXES].reshape(cells, BOXES, 1)
    scores = classes * confidences
    cell, box, label = np.nonzero(scores >= SCORE)
    boxes = answer[cells * (CLASSES + BOXES) :].reshape(cells, BOXES, 4)[cell, box]
    centre = (boxes[:, :2] + np.stack([cell % GRID, cell // GRID], axis=1)) / GRID
    half = boxes[:, 2:] ** 2 / 2  # the network answers square roots of width and height
    boxes_xyxy = np.hstack([centre - half, centre + half]).astype(np.float32)
    return len(suppress(boxes_xyxy, scores[cell, box, label], label, NMS_IOU, 100, height=height, width=width))


def scene() -> NDArray[np.float32]:
    """Return an answer of eight objects, each seen by two cells and both their boxes: 32 candidates."""
    cells = GRID * GRID
    random = np.random.RandomState(0)
    classes, confidences = np.zeros((cells, CLASSES)), np.zeros((cells, BOXES))
    seen = random.choice(cells // 2, 8, replace=False) * 2
    for number, cell in enumerate(seen):
        classes[cell : cell + 2, number] = 0.9
        confidences[cell : cell + 2] = 0.6
    boxes = random.uniform(0.3, 0.6, cells * BOXES * 4)
    return np.concatenate([classes.ravel(), confidences.ravel(), boxes]).astype(np.float32)


def open_yolo() -> Opened:
    """Return the network of random weights on the GPU or the CPU."""
    import torch

    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    yolo = network().eval().to(device)
    answer = scene()

    def call(frames: Frames) -> StageTimes:
        start = perf_counter()
        images = cv2.dnn.blobFromImages(frames, 1 / 255, (SIDE, SIDE), swapRB=True)
        resized = perf_counter()
        with torch.inference_mode():
            yolo(torch.from_numpy(images).to(device)).cpu()
        inferred = perf_counter()
        for frame in frames:
            decode(answer, *frame.shape[:2])
        return StageTimes(resized - start, inferred - resized, perf_counter() - inferred)

    with torch.inference_mode():
        gmac = torch_gmac(yolo, lambda: yolo(torch.zeros(1, 3, SIDE, SIDE, device=device)))
    return Opened(call, gmac=gmac, device=device.type)
