"""Pairs of tracks and boxes: a table by hand, and every permutation as the judge of the exact method."""

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgessd.tracking.assignment import exact, greedy

TABLE = np.array([[0.9, 0.8], [0.7, 0.1]])


def pairs(found: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, int]]:
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))


def test_greedy_takes_the_best_pair_and_exact_the_best_sum() -> None:
    assert pairs(greedy(TABLE, 0.05)) == [(0, 0), (1, 1)]  # 0.9 + 0.1
    assert pairs(exact(TABLE, 0.05)) == [(0, 1), (1, 0)]  # 0.8 + 0.7


def test_no_pair_is_below_the_least_gain() -> None:
    assert pairs(greedy(TABLE, 0.2)) == [(0, 0)]
    assert pairs(exact(np.array([[0.1, 0.15]]), 0.2)) == []


def test_nothing_pairs_with_nothing() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert pairs(greedy(np.zeros(shape), 0.1)) == []
        assert pairs(exact(np.zeros(shape), 0.1)) == []


@settings(max_examples=200, deadline=None)
@given(st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(lambda s: arrays(float, s, elements=st.floats(0, 1))))
def test_exact_is_as_good_as_the_best_permutation(gain: np.ndarray) -> None:
    counted = np.where(gain >= 0.2, gain, 0)
    wide = counted if counted.shape[0] <= counted.shape[1] else counted.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(columns))
        for columns in permutations(range(wide.shape[1]), wide.shape[0])
    )
    rows, columns = exact(gain, 0.2)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert np.isclose(counted[rows, columns].sum(), best)
