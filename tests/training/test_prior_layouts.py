from math import sqrt

import numpy as np
import pytest

from edgessd.model.priors import PriorSpec, generate
from edgessd_training.networks.prior_layouts import (
    linear_scales,
    ssd300_spec,
    ssd512_spec,
    ssd_shapes,
    ssdlite_spec,
    tensorflow_spec,
)

TENSORFLOW_MAPS = [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (ssd300_spec(), 8732),
        (ssd512_spec(), 24564),
        (ssdlite_spec(320, (20, 10, 5, 3, 2, 1)), 3234),
        (tensorflow_spec(TENSORFLOW_MAPS), 1917),
    ],
    ids=["ssd300", "ssd512", "ssdlite320", "tensorflow"],
)
def test_published_counts(spec: PriorSpec, count: int) -> None:
    priors = generate(spec)
    assert len(spec) == count
    assert priors.shape == (count, 4)
    assert priors.dtype == np.float32


def test_shapes_of_a_cell_as_the_paper_has_them() -> None:
    shapes = ssd_shapes(0.2, 0.8, (4,))
    assert shapes == ((0.2, 0.2), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4))


def test_scales_of_the_paper() -> None:
    assert linear_scales(6, 0.2, 0.9) == pytest.approx([0.2, 0.34, 0.48, 0.62, 0.76, 0.9])


def test_first_priors_of_ssd300() -> None:
    priors = generate(ssd300_spec())
    centre = 4 / 300  # steps of 8 pixels, offset 0.5
    assert priors[0] == pytest.approx([centre, centre, 30 / 300, 30 / 300])
    assert priors[1, 2:] == pytest.approx([sqrt(30 * 60) / 300] * 2)
    assert priors[2, 2:] == pytest.approx([30 * sqrt(2) / 300, 30 / sqrt(2) / 300])
    assert priors[-1, :2] == pytest.approx([0.5, 0.5])


def test_first_anchors_of_tensorflow() -> None:
    priors = generate(tensorflow_spec(TENSORFLOW_MAPS))
    assert priors[:3, 2:] == pytest.approx(
        np.array([[0.1, 0.1], [0.2 * sqrt(2), 0.2 / sqrt(2)], [0.2 / sqrt(2), 0.2 * sqrt(2)]])
    )
    assert priors[-1] == pytest.approx([0.5, 0.5, sqrt(0.95), sqrt(0.95)])
