"""COCO's figures against pycocotools, on random scenes with crowds, sizes, ties and empty images."""

import contextlib
import io

import numpy as np
import pytest

from edgessd.errors import DataError
from edgessd.model.detections import Detections
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics import measure
from edgessd_training.metrics.coco import KEYS, coco_results, coco_truth

pytest.importorskip("faster_coco_eval")


def scene(seed, images=12, labels=("cat", "dog", "hen", "owl")):
    """Return a data set of 300x500 and detections: some boxes shifted, some doubled, some nowhere near."""
    random = np.random.RandomState(seed)
    records, detections = [], []
    for index in range(images):
        count = 0 if index % 5 == 4 else random.randint(1, 9)
        corner = random.uniform(0, 200, (count, 2)) * (1.5, 1)
        boxes = np.hstack(
            [corner, corner + random.choice([12, 60, 150], (count, 1)) * random.uniform(0.6, 1, (count, 2))]
        )
        classes = random.randint(0, len(labels) - 1, count)  # nothing of the last label
        areas = None
        if index % 2:
            areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * 0.7
        records.append(
            Record(
                f"{index}.jpg",
                None,
                300,
                500,
                boxes.astype(np.float32),
                classes,
                random.rand(count) < 0.1,
                random.rand(count) < 0.1,
                areas,
            )
        )
        shifted = np.repeat(boxes, 2, axis=0) + random.normal(0, 4, (2 * count, 4))
        stray = random.randint(0, 120)
        low = random.uniform(0, 300, (stray, 2))
        boxes = np.vstack([shifted, np.hstack([low, low + random.uniform(1, 90, (stray, 2))])])
        detections.append(
            Detections(
                boxes.astype(np.float32),
                random.rand(len(boxes)).round(1).astype(np.float32),
                np.concatenate([np.repeat(classes, 2), random.randint(0, len(labels), stray)]),
            )
        )
    return DataSet("coco:x.json@y", labels, tuple(records)), detections


def by_pycocotools(data, detections):
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = coco_truth(data)
        truth.createIndex()
        run = evaluation.COCOeval(truth, truth.loadRes(coco_results(data, detections)), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    precision = run.eval["precision"][:, :, :, 0, -1]
    return run.stats, [precision[:, :, index] for index in range(len(data.labels))]


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_equal_pycocotools(seed):
    data, detections = scene(seed)
    figures = measure(data, detections, "coco")
    stats, precision = by_pycocotools(data, detections)
    np.testing.assert_allclose([figures[key] for key in KEYS], stats, atol=1e-6)
    assert 0.05 < figures["AP"] < 0.9
    assert figures["mAP"] == figures["AP"]
    for label, values in zip(data.labels, precision, strict=True):
        values = values[values > -1]
        if values.size:
            assert figures["per_class"][label] == pytest.approx(values.mean(), abs=1e-6)
        else:
            assert figures["per_class"][label] is None
    assert figures["images"] == 12
    assert figures["boxes"] == sum(int((~(r.crowd | r.difficult)).sum()) for r in data.records)


def test_areas_are_the_annotated_ones():
    box = np.array([[0, 0, 50, 40]], np.float32)
    flag = np.zeros(1, bool)
    found = [Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))]
    sizes = {}
    for area in (None, 900.0):  # 2000 is a medium box, its outline of 900 a small object
        areas = None if area is None else np.array([area])
        record = Record("a.jpg", None, 60, 80, box, np.zeros(1, np.int64), flag, flag, areas)
        figures = measure(DataSet("x", ("cat",), (record,)), found, "coco")
        sizes[area] = (figures["APs"], figures["APm"], figures["APl"])
    assert sizes[None] == pytest.approx((-1, 1, -1))
    assert sizes[900.0] == pytest.approx((1, -1, -1))


def test_no_detections_and_no_boxes():
    data, detections = scene(1)
    nothing = [found[np.zeros(0, np.int64)] for found in detections]
    figures = measure(data, nothing, "coco")
    assert (figures["AP"], figures["AR100"], figures["detections"]) == (0, 0, 0)
    bare = [r for r in data.records if len(r.classes) == 0]
    with pytest.raises(DataError, match="no box to be found"):
        measure(DataSet("x", data.labels, tuple(bare)), nothing[: len(bare)], "coco")
