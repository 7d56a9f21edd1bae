from dataclasses import replace

import pytest

from edgessd.errors import CardError
from edgessd.model.priors import FeatureMap, PriorSpec, generate, spec_from_json


def test_a_grid_that_is_not_square() -> None:
    spec = PriorSpec((FeatureMap(2, 3, (1 / 3, 1 / 2), ((0.1, 0.2), (0.3, 0.4))),))
    priors = generate(spec)
    # row by row, cell by cell, shape by shape
    assert priors[0] == pytest.approx([1 / 6, 1 / 4, 0.1, 0.2])
    assert priors[1] == pytest.approx([1 / 6, 1 / 4, 0.3, 0.4])
    assert priors[2] == pytest.approx([3 / 6, 1 / 4, 0.1, 0.2])
    assert priors[6] == pytest.approx([1 / 6, 3 / 4, 0.1, 0.2])
    assert len(priors) == 12


def test_clip_cuts_every_number() -> None:
    spec = PriorSpec((FeatureMap(1, 1, (1, 1), ((1.5, 0.5),)),), clip=True)
    assert generate(spec).tolist() == [[0.5, 0.5, 1, 0.5]]


def test_json_and_hash() -> None:
    spec = PriorSpec(
        (FeatureMap(2, 3, (1 / 3, 1 / 2), ((0.1, 0.2),)), FeatureMap(1, 1, (1, 1), ((0.5, 1),))), clip=True
    )
    assert spec_from_json(spec.as_json()) == spec
    moved = replace(spec, maps=(replace(spec.maps[0], offset=0.4), *spec.maps[1:]))
    assert moved.sha256 != spec.sha256


GRID = {"height": 1, "width": 1, "step_wh": [1, 1], "offset": 0.5, "shapes_wh": [[1, 1]]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"clip": False, "maps": []},
        {"clip": False, "maps": [{"height": 2}]},
        {"clip": False, "maps": [{**GRID, "height": 0}]},
        {"clip": False, "maps": [{**GRID, "shapes_wh": [[1, -1]]}]},
        {"clip": False, "maps": [{**GRID, "shapes_wh": []}]},
        {"clip": False, "maps": [{**GRID, "height": 9999, "width": 9999}]},
    ],
)
def test_damaged_specifications_are_refused(value: object) -> None:
    with pytest.raises(CardError):
        spec_from_json(value)
