"""Rounding by what a layer puts out: by hand for two inputs, against plain rounding for many."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from edgessd_export.graph.layers import Layer
from edgessd_export.quantisation.weight_rounding import bias_shift, compensated, nearest, second_moments


def loss(steps, scale, weights, moments):
    error = steps * scale[:, None] - weights
    return float(np.einsum("oi,ij,oj->", error, moments, error))


def test_second_moments_by_hand():
    maps = np.array([[[[1.0, 3.0]], [[2.0, 0.0]]]])  # two channels, two places: (1, 2) and (3, 0)
    assert second_moments(maps).tolist() == [[5.0, 1.0], [1.0, 2.0]]


def test_nearest_keeps_to_127_steps():
    weights = np.array([[1.27, -2.0], [0.3, 0.06]], np.float32)
    assert nearest(weights, np.array([0.01, 0.1], np.float32)).tolist() == [[127, -127], [3, 1]]


def test_an_error_is_made_good_by_the_other_of_two_equal_inputs():
    same = np.full((2, 2), 4.0)  # both inputs always carry the same: only the sum of the weights counts
    weights = np.array([[0.4, 0.4]])
    assert nearest(weights, np.ones(1)).tolist() == [[0, 0]]
    assert compensated(weights, np.ones(1), same).tolist() == [[0, 1]]


def test_inputs_that_share_nothing_are_rounded_plainly():
    rng = np.random.default_rng(0)
    weights, scale = rng.normal(size=(5, 7)), np.full(5, 0.1, np.float32)
    moments = np.diag(rng.uniform(0.5, 2, 7))
    np.testing.assert_array_equal(compensated(weights, scale, moments), nearest(weights, scale))


@given(seed=st.integers(0, 1000), inputs=st.integers(2, 40), rank=st.integers(1, 60))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_output_is_never_much_worse_and_for_many_inputs_better(seed, inputs, rank):
    rng = np.random.default_rng(seed)
    places = np.maximum(rng.normal(size=(rank, inputs)) + rng.normal(size=(rank, 1)), 0)
    weights = rng.normal(size=(6, inputs))
    scale = (np.abs(weights).max(axis=1) / 127).astype(np.float32)
    moments = places.T @ places / rank
    plain = loss(nearest(weights, scale), scale, weights, moments)
    better = loss(compensated(weights, scale, moments), scale, weights, moments)
    assert better <= plain * 1.5 + 1e-12
    if inputs >= 30:
        assert better < plain + 1e-12


def test_a_dead_input_does_no_harm():
    moments = np.zeros((3, 3))
    moments[1, 1] = 1.0
    weights = np.array([[0.5, -1.0, 0.25]])
    assert compensated(weights, np.array([1 / 127]), moments).tolist() == [[64, -127, 32]]


def test_the_mean_error_of_the_weights_goes_into_the_bias():
    error = np.array([[[[0.1, 0.2]], [[-0.3, 0.0]]], [[[0.0, 0.0]], [[0.5, 0.5]]]])  # (2, 2, 1, 2)
    mean, whole = np.array([10.0, 1.0]), np.ones((1, 2))
    np.testing.assert_allclose(bias_shift(error, mean, whole, depthwise=False), [2.7, 1.0])
    np.testing.assert_allclose(bias_shift(error[:, :1], mean, whole, depthwise=True), [3.0, 0.0])
    half = np.array([[1.0, 0.5]])  # the second tap lies on padding for every other output
    np.testing.assert_allclose(bias_shift(error, mean, half, depthwise=False), [1.7, 0.75])


def test_taps_that_lie_on_padding_count_less():
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[1, 2])
    layer = Layer("one", node, "x", "y", depthwise=False, pointwise=False)
    # Three rows: the upper and lower tap lie outside once. Four columns, places -1, 1: the left tap once of two.
    np.testing.assert_allclose(layer.taps_inside((3, 3), (3, 4)), np.outer([2 / 3, 1, 2 / 3], [0.5, 1, 1]))
