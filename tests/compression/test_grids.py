"""Low-bit grids: known answers, and what holds for any weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from harness.compression import grids
from harness.errors import ConfigError, InputError

NAMES = ("sign", "ternary-0.33", "ternary-0.9", "uniform-1", "uniform-2", "uniform-8", "uniform-3-channel")
# Weights of a network, not the ends of the number line: float32 is exact in the grid's float64.
WEIGHTS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 12)),
    elements=st.floats(-100, 100, width=32, allow_subnormal=False),
)


def test_signs_are_plus_and_minus_the_mean_magnitude() -> None:
    grid = grids.fit(np.array([[1.0, -2.0], [0.5, -0.5]]), "sign")
    assert grid.values.tolist() == [[-1.0, 1.0]]
    assert grid.codes(np.array([[-3.0, 0.0], [0.1, -0.1]])).tolist() == [[0, 1], [1, 0]]
    assert grid.quantize(np.array([[1.0, -2.0]])).tolist() == [[1.0, -1.0]]


def test_ternary_drops_the_smallest_and_keeps_the_mean_of_the_rest() -> None:
    weights = np.array([[0.1, -0.2, 0.3], [-1.0, 2.0, -3.0]])
    grid = grids.fit(weights, "ternary-0.5")
    assert grid.values.tolist() == [[-2.0, 0.0, 2.0]]
    assert grid.cuts.tolist() == [[-0.65, 0.65]]  # halfway between 0.3 and 1
    assert grid.quantize(weights).tolist() == [[0.0, 0.0, 0.0], [-2.0, 2.0, -2.0]]


def test_uniform_levels_reach_from_the_smallest_to_the_largest_weight() -> None:
    weights = np.array([[-1.0, 2.0], [0.4, 0.6]])
    grid = grids.fit(weights, "uniform-2")
    assert grid.values.tolist() == [[-1.0, 0.0, 1.0, 2.0]]
    assert grid.codes(weights).tolist() == [[0, 3], [1, 2]]


def test_a_channel_has_its_own_levels() -> None:
    weights = np.array([[-1.0, 2.0, 0.1], [10.0, 40.0, 22.0]])
    grid = grids.fit(weights, "uniform-2-channel")
    assert grid.values.tolist() == [[-1.0, 0.0, 1.0, 2.0], [10.0, 20.0, 30.0, 40.0]]
    assert grid.quantize(weights).tolist() == [[-1.0, 2.0, 0.0], [10.0, 40.0, 20.0]]


@pytest.mark.parametrize("share", [0.1, 0.33, 0.5, 0.9, 0.99])
def test_the_share_of_zeros_is_exact(share: float) -> None:
    weights = np.random.default_rng(0).normal(size=(16, 3, 3, 7))
    quantized = grids.fit(weights, f"ternary-{share}").quantize(weights)
    assert (quantized == 0).sum() == int(share * weights.size)


def test_one_weight_at_least_is_kept() -> None:
    weights = np.array([[1.0, -2.0, 3.0]])
    assert grids.fit(weights, "ternary-0.99").quantize(weights).tolist() == [[0.0, 0.0, 3.0]]


def test_another_tensor_is_quantized_to_the_levels_of_the_first() -> None:
    rng = np.random.default_rng(1)
    grid = grids.fit(rng.normal(size=(4, 9)), "uniform-3-channel")
    quantized = grid.quantize(3 * rng.normal(size=(4, 9)))
    assert all(np.isin(row, values).all() for row, values in zip(quantized, grid.values, strict=True))


@given(WEIGHTS, st.sampled_from(NAMES))
def test_a_grid_has_few_levels_and_quantizing_twice_changes_nothing(weights: NDArray[Any], name: str) -> None:
    grid = grids.fit(weights, name)
    quantized = grid.quantize(weights)
    codes = grid.codes(weights)
    assert quantized.shape == codes.shape == weights.shape
    assert codes.min() >= 0
    assert codes.max() < grid.levels
    np.testing.assert_array_equal(grid.decode(codes), quantized)
    np.testing.assert_array_equal(grid.quantize(quantized), quantized)
    for row in quantized.reshape(len(grid.values), -1):
        assert len(np.unique(row)) <= grid.levels


@given(WEIGHTS, st.sampled_from(["uniform-1", "uniform-4", "uniform-2-channel"]))
def test_a_uniform_grid_takes_the_nearest_level(weights: NDArray[Any], name: str) -> None:
    grid = grids.fit(weights, name)
    rows = weights.reshape(len(grid.values), -1).astype(np.float64)
    error = np.abs(grid.quantize(weights).reshape(rows.shape) - rows)
    nearest = np.abs(rows[:, :, None] - grid.values[:, None, :]).min(axis=2)
    np.testing.assert_allclose(error, nearest, atol=1e-9)


@given(WEIGHTS, st.sampled_from(NAMES))
def test_larger_weights_never_get_a_lower_level(weights: NDArray[Any], name: str) -> None:
    grid = grids.fit(weights, name)
    for row, codes in zip(
        weights.reshape(len(grid.values), -1), grid.codes(weights).reshape(len(grid.values), -1), strict=True
    ):
        assert (np.diff(codes[np.argsort(row, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("name", ["", "ternary", "ternary-0.0", "ternary-1.0", "uniform-0", "uniform-9", "signs"])
def test_an_unknown_grid_is_refused_with_the_known_forms(name: str) -> None:
    assert not grids.is_grid(name)
    with pytest.raises(ConfigError, match=r"is not known .one of: sign, ternary-"):
        grids.fit(np.ones((2, 2)), name)


@pytest.mark.parametrize("weights", [np.zeros((0, 3)), np.array([[1.0, np.nan]]), np.array([[np.inf, 0.0]])])
def test_empty_and_non_finite_weights_are_refused(weights: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="grid sign: the weights are empty or not finite"):
        grids.fit(weights, "sign")
