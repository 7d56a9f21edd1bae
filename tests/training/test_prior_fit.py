"""Priors fitted to labels: clusters by hand, more boxes with a prior, and tables that a recipe takes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgessd.commands.cli import run
from edgessd.model.priors import FeatureMap, PriorSpec
from edgessd_training.networks import build
from edgessd_training.recipe_file import read_recipe
from edgessd_training.samples.prior_fit import best_overlaps, clusters, default_fit, propose, with_shapes

SSDLITE = {"family": "ssdlite_mobilenet_v2", "input_size": 300}


def small_boxes(count: int = 40) -> np.ndarray:
    """Boxes of 6 x 8 percent anywhere, (M, 4) xyxy."""
    corners = np.random.default_rng(5).uniform(0, 0.9, (count, 2))
    return np.hstack([corners, corners + np.array([0.06, 0.08])]).astype(np.float32)


def test_clusters_are_the_means_of_what_lies_together() -> None:
    sizes_wh = np.array([[0.5, 0.5], [0.1, 0.2], [0.12, 0.2], [0.54, 0.5]], np.float32)
    np.testing.assert_allclose(clusters(sizes_wh, 2), [[0.11, 0.2], [0.52, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(clusters(sizes_wh[:1], 5), [[0.5, 0.5]])


def test_a_box_overlaps_its_nearest_prior() -> None:
    spec = PriorSpec((FeatureMap(1, 2, (0.5, 1.0), ((0.5, 1.0),)),))  # the left half and the right half
    boxes_xyxy = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 0.5]], np.float32)
    np.testing.assert_allclose(best_overlaps(boxes_xyxy, spec), [1, 0.5])
    assert best_overlaps(boxes_xyxy[:0], spec).shape == (0,)


def test_a_shape_stands_on_the_coarsest_map_that_is_fine_enough() -> None:
    fine, coarse = FeatureMap(20, 20, (0.05, 0.05), ((0.9, 0.9),)), FeatureMap(5, 5, (0.2, 0.2), ((0.8, 0.8),))
    shapes_wh = np.array([[0.02, 0.02], [0.2, 0.3], [0.5, 0.6]], np.float32)
    first, second = with_shapes(PriorSpec((fine, coarse)), shapes_wh).maps
    assert first.shapes_wh == ((0.02, 0.02), (0.2, 0.3))
    assert second.shapes_wh == ((0.5, 0.6),)
    assert with_shapes(PriorSpec((fine, coarse)), shapes_wh[:1]).maps[1] == coarse


def test_the_proposal_reaches_small_boxes_and_builds() -> None:
    before, after = default_fit(SSDLITE, small_boxes()), propose(SSDLITE, small_boxes(), 3)
    assert before.share < 0.1
    assert after.share > 0.9
    assert after.description["input_size"] > 300
    assert build({**after.description, "classes": 2}).priors == after.spec


@pytest.fixture
def data(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((100, 200, 3), np.uint8))
    boxes = [
        [200 * x, 100 * y, 200 * (right - x), 100 * (bottom - y)] for x, y, right, bottom in small_boxes().tolist()
    ]
    boxes.append([50, 50, 0.2, 0.2])  # a slip of the mouse: less than a pixel of any input
    annotations = [
        {"id": index, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for index, box in enumerate(boxes, start=1)
    ]
    image = {"id": 1, "file_name": "a.png", "height": 100, "width": 200}
    content = {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "dot"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    return f"coco:{tmp_path / 'a.json'}@{tmp_path}"


def test_the_tables_go_into_a_recipe(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, picture = tmp_path / "network.toml", tmp_path / "priors.png"
    asked = ["data", "priors", data, "--recipe", "ssdlite_mobilenet_v2", "--count", "3"]
    assert run([*asked, "--out", str(out), "--picture", str(picture)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "40", "0"] in [row[:3] for row in rows]
    assert cv2.imread(str(picture)) is not None
    (tmp_path / "mine.toml").write_text(f'name = "mine"\n{out.read_text()}')
    recipe = read_recipe(tmp_path / "mine.toml", [])
    network = build({**recipe.network, "classes": 1})
    assert (0.06, 0.08) in network.priors.maps[0].shapes_wh
    assert run(asked) == 0
    assert "[[network.priors.maps]]" in capsys.readouterr().out


def test_distances_need_an_input_size_alone(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "priors", data]) == 0  # of 336 pixels 6 x 8 percent are 23
    assert "--set network.input_size=336" in capsys.readouterr().out
    assert run(["data", "priors", data, "--out", str(tmp_path / "n.toml")]) == 2
    assert "no priors to choose" in capsys.readouterr().err
