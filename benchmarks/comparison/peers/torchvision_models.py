"""torchvision's detectors, as a user calls them: a list of float RGB tensors in, boxes in pixels out.

Random weights would give NMS nothing or everything, so hooks put a fixed scene in the place of the heads'
answers; the networks compute as ever, and the time of the post-processing is that of a real street.
"""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comparison.entry import PEER, Accuracy, Entry, Frames, Opened
from comparison.macs import torch_gmac
from comparison.scene import scene_scores, sigmoid_logits, softmax_logits
from edgessd.detector import StageTimes

NEEDS = ("torch", "torchvision")
PUBLISHED = {
    "ssd300_vgg16": (25.1, "coco", "torchvision model page, COCO val2017"),
    "ssdlite320_mobilenet_v3_large": (21.3, "coco", "torchvision model page, COCO val2017"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (22.8, "coco", "torchvision model page, COCO val2017"),
    "fasterrcnn_resnet50_fpn": (37.0, "coco", "torchvision model page, COCO val2017"),
    "retinanet_resnet50_fpn": (36.4, "coco", "torchvision model page, COCO val2017"),
    "fasterrcnn_vgg16": (73.2, "voc07", "SSD paper, table 7: Faster R-CNN VGG16, 600 px, 07+12"),
}
SCORE = 0.3  # the threshold of every entry


def torchvision_entries() -> list[Entry]:
    """Return the models, lightest first."""
    return [
        Entry(
            name=f"torchvision {name}",
            group=PEER,
            family="torchvision",
            options={"model": name},
            accuracy=Accuracy(*published),
            needs=NEEDS,
            note="random weights; post-processing fed a fixed scene",
        )
        for name, published in PUBLISHED.items()
    ]


def open_torchvision(model: str, frame: NDArray[np.uint8]) -> Opened:
    """Return a model of random weights on the GPU or the CPU, its heads answering the scene for frames of a size."""
    import torch

    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build(model).eval().to(device)
    marks: list[float] = []

    def mark(*_: Any) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        marks.append(perf_counter())

    def to_tensor(frame: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).to(device).permute(2, 0, 1).float() / 255

    @torch.inference_mode()
    def call(frames: Frames) -> StageTimes:
        marks.clear()
        start = perf_counter()
        for found in network([to_tensor(frame) for frame in frames]):
            found["boxes"].cpu()
        mark()
        return StageTimes(marks[0] - start, marks[1] - marks[0], marks[-1] - marks[1])

    with torch.inference_mode():
        gmac = answer_scene(network, [to_tensor(frame)])
    network.backbone.register_forward_pre_hook(mark)
    last = network.roi_heads.box_predictor if hasattr(network, "roi_heads") else network.head
    last.register_forward_hook(mark)
    return Opened(call, gmac=gmac, device=device.type)


def build(model: str) -> Any:
    """Return the untrained network; its score threshold is that of every entry."""
    from torchvision.models import detection

    if model == "fasterrcnn_vgg16":
        return faster_rcnn_vgg16()
    threshold = "box_score_thresh" if model.startswith("fasterrcnn") else "score_thresh"
    return getattr(detection, model)(weights=None, weights_backbone=None, **{threshold: SCORE})


def faster_rcnn_vgg16() -> Any:
    """Return the paper's Faster R-CNN: VGG16, shortest side 600, 300 proposals (1506.01497), 20 classes."""
    from torchvision.models import vgg16
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.ops import MultiScaleRoIAlign

    backbone = vgg16(weights=None).features[:-1]  # without the last pooling: a cell is 16 pixels
    backbone.out_channels = 512

    return FasterRCNN(
        backbone,
        min_size=600,
        max_size=1000,
        rpn_anchor_generator=AnchorGenerator(((128, 256, 512),), ((0.5, 1.0, 2.0),)),
        rpn_pre_nms_top_n_test=6000,
        rpn_post_nms_top_n_test=300,
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        box_head=TwoMLPHead(512 * 7 * 7, 4096),
        box_predictor=FastRCNNPredictor(4096, 21),
        box_score_thresh=SCORE,
    )


def answer_scene(network: Any, image: list[Any]) -> float:
    """Replace the heads' answers by the scene's, and return 10^9 multiply-accumulates of an image.

    One run beforehand counts them and tells where the anchors lie.
    """
    import torch

    seen: dict[str, Any] = {}

    def see(name: str) -> Callable[..., None]:
        def hook(_: Any, inputs: Any, output: Any) -> None:
            seen[name] = output

        return hook

    two_stage = hasattr(network, "roi_heads")
    anchors = network.rpn.anchor_generator if two_stage else network.anchor_generator
    watched = {"anchors": anchors, "head": network.rpn.head if two_stage else network.head}
    handles = [module.register_forward_hook(see(name)) for name, module in watched.items()]
    gmac = torch_gmac(network, lambda: network(image))
    for handle in handles:
        handle.remove()
    device = image[0].device
    if two_stage:
        # Objectness of noise: as many proposals pass the RPN as a trained one lets pass, the most it may.
        objectness = [torch.randn_like(level) for level in seen["head"][0]]
        deltas = [0.1 * torch.randn_like(level) for level in seen["head"][1]]
        network.rpn.head.register_forward_hook(lambda *_: (objectness, deltas))
        network.roi_heads.box_predictor.register_forward_hook(scene_of_proposals)
        return gmac
    logits = seen["head"]["cls_logits"]
    boxes_xyxy = seen["anchors"][0].cpu().numpy()
    sigmoid = "RetinaNet" in type(network).__name__
    scores = scene_scores(boxes_xyxy, logits.shape[-1] - (not sigmoid))
    values = sigmoid_logits(scores) if sigmoid else softmax_logits(scores)
    answer = {
        "cls_logits": torch.from_numpy(values)[None].to(device),
        "bbox_regression": torch.zeros_like(seen["head"]["bbox_regression"]),
    }

    def scene(_: Any, __: Any, output: dict[str, Any]) -> dict[str, Any]:
        count = len(output["cls_logits"])
        return {name: tensor.expand(count, -1, -1) for name, tensor in answer.items()}

    network.head.register_forward_hook(scene)
    return gmac


def scene_of_proposals(_: Any, __: Any, output: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return class logits as the scene has them for as many proposals as came, and boxes that do not move."""
    import torch

    logits, deltas = output
    values = proposal_logits(len(logits), logits.shape[1])
    return torch.from_numpy(values).to(logits.device), torch.zeros_like(deltas)


@lru_cache
def proposal_logits(count: int, columns: int) -> NDArray[np.float32]:
    """Return the logits (count, columns) of the scene on boxes that lie anywhere."""
    random = np.random.RandomState(0)
    corners = random.uniform(0, 0.7, (count, 2))
    boxes_xyxy = np.hstack([corners, corners + random.uniform(0.05, 0.3, (count, 2))])
    return softmax_logits(scene_scores(boxes_xyxy, columns - 1))
