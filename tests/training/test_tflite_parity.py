"""The imported COCO SSD against the original file, run by LiteRT, on 100 real images.

Before NMS every detection of one has its partner in the other. After NMS about 96% do: where two overlapping
priors score within the original's quantisation step of each other, either may win. The original's own last
operator is left out: it keeps 10 boxes, suppresses across classes and has priors rounded to 2 pixels.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.model.boxes import cxcywh_to_xyxy, decode, iou
from edgessd.model.postprocess import PostProcess, RawDecoder
from edgessd.model.priors import generate

torch = pytest.importorskip("torch")
litert = pytest.importorskip("ai_edge_litert.interpreter")

from edgessd_training.importers.tflite import import_tflite  # noqa: E402
from edgessd_training.networks.ssd import scores_from  # noqa: E402

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared test data of the developers' checkouts")
IMAGES = 100
Tensors = tuple[np.ndarray, np.ndarray]  # offsets (P, 4), scores (P, C)


@pytest.fixture(scope="module")
def checkpoint():
    return import_tflite(SHARED / "weights/detect.tflite")


@pytest.fixture(scope="module")
def pairs(checkpoint) -> list[tuple[Tensors, Tensors]]:
    """The raw tensors of the original and of ours for every image."""
    original = Original(SHARED / "weights/detect.tflite")
    batch = np.stack(list(images()))
    found = []
    for start in range(0, IMAGES, 20):
        some = batch[start : start + 20]
        with torch.inference_mode():
            offsets, logits = checkpoint.network(torch.from_numpy(some))
        scores = scores_from(logits, checkpoint.network.activation)
        ours = zip(offsets.numpy(), scores.numpy(), strict=True)
        found += [(original(image), pair) for image, pair in zip(some, ours, strict=True)]
    return found


def images() -> Iterator[np.ndarray]:
    names = (SHARED / "voc07/ImageSets/Main/val.txt").read_text().split()[:IMAGES]
    for name in names:
        yield cv2.resize(cv2.imread(str(SHARED / "voc07/JPEGImages" / f"{name}.jpg")), (300, 300))


class Original:
    """The file in LiteRT, read before its last operator, dequantised, offsets as x y w h, no background."""

    def __init__(self, path: Path) -> None:
        self.interpreter = litert.Interpreter(str(path), experimental_preserve_all_tensors=True)
        self.interpreter.allocate_tensors()
        self.details = {detail["name"]: detail for detail in self.interpreter.get_tensor_details()}

    def __call__(self, image: np.ndarray) -> Tensors:
        rgb = np.ascontiguousarray(image[None, :, :, ::-1])
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], rgb)
        self.interpreter.invoke()
        return self.tensor("Squeeze")[0][:, [1, 0, 3, 2]], self.tensor("convert_scores")[0][:, 1:]

    def tensor(self, name: str) -> np.ndarray:
        scale, zero_point = self.details[name]["quantization"]
        return (self.interpreter.get_tensor(self.details[name]["index"]).astype(np.float32) - zero_point) * scale


def test_before_nms_every_detection_has_its_partner(checkpoint, pairs) -> None:
    priors = generate(checkpoint.card.priors)
    for one, other in ((0, 1), (1, 0)):
        total = matched = 0
        for pair in pairs:
            (offsets, scores), (other_offsets, other_scores) = pair[one], pair[other]
            rows, classes = np.nonzero(scores > 0.5)
            boxes = cxcywh_to_xyxy(decode(offsets[rows], priors[rows], checkpoint.card.variances))
            others = cxcywh_to_xyxy(decode(other_offsets[rows], priors[rows], checkpoint.card.variances))
            overlaps = np.array([iou(boxes[k : k + 1], others[k : k + 1])[0, 0] for k in range(len(rows))])
            near = np.abs(scores[rows, classes] - other_scores[rows, classes]) <= 0.05
            total += len(rows)
            matched += int(((overlaps > 0.9) & near).sum())
        assert total > 1000
        assert matched / total >= 0.98


def test_after_nms_all_but_ties_have_their_partner(checkpoint, pairs) -> None:
    decoder = RawDecoder(checkpoint.card, generate(checkpoint.card.priors), PostProcess(score=0.3))
    for one, other in ((0, 1), (1, 0)):
        total = matched = 0
        for pair in pairs:
            found, others = decoder(*pair[one], 300, 300), decoder(*pair[other], 300, 300)
            for k in np.flatnonzero(found.scores > 0.5):
                same = others[(others.classes == found.classes[k]) & (np.abs(others.scores - found.scores[k]) <= 0.05)]
                total += 1
                matched += bool(len(same) and iou(found.boxes_xyxy[k : k + 1], same.boxes_xyxy).max() > 0.9)
        assert total > 250
        assert matched / total >= 0.95
