"""The codes that a search finds near one, against all codes there are."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from harness.compression.candidates import QuadraticLoss, near_ties, nearby_codes
from harness.errors import InputError
from harness.types import FloatArray, IntArray

TERNARY = np.array([-1.0, 0.0, 1.0])


def regression(
    d: int, levels: FloatArray, *, correlation: float, seed: int, n: int = 100
) -> tuple[QuadraticLoss, IntArray]:
    """Squared loss of features of equal correlation, around the code that the float weights are rounded to."""
    rng = np.random.default_rng([seed, d])
    weights = rng.choice([-1.0, 1.0], d) * (0.5 + 0.15 * rng.standard_normal(d))
    root = np.linalg.cholesky(np.full((d, d), correlation) + (1.0 - correlation) * np.eye(d))
    x = rng.standard_normal((n, d)) @ root.T
    y = x @ weights + rng.standard_normal(n)
    fitted = np.linalg.lstsq(x, y, rcond=None)[0]
    code = np.abs(fitted[:, None] - levels).argmin(axis=1).astype(np.int64)
    gradients = (x @ levels[code] - y)[:, None] * x
    return QuadraticLoss(gradients.mean(axis=0), x.T @ x / n, np.atleast_2d(np.cov(gradients, rowvar=False))), code


def everything(loss: QuadraticLoss, levels: FloatArray, code: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """All codes, their loss over that of the code, and their steps."""
    codes = np.array(list(product(range(len(levels)), repeat=len(code))), dtype=np.int64)
    steps = levels[codes] - levels[code]
    return codes, loss.rise(steps), steps


def _keys(codes: IntArray) -> set[bytes]:
    return {code.tobytes() for code in codes}


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
@pytest.mark.parametrize(("d", "levels"), [(4, 3), (5, 3), (6, 3), (8, 2), (4, 4), (8, 3)])
def test_the_nearest_codes_of_all_are_found(d: int, levels: int, correlation: float) -> None:
    values = np.linspace(-1.0, 1.0, levels)
    for seed in range(3):
        loss, code = regression(d, values, correlation=correlation, seed=seed)
        codes, rise, steps = everything(loss, values, code)
        best = int(np.argmin(rise))
        spread = loss.spread(steps - steps[best])
        ratio = np.where(spread > 0, (rise - rise[best]) / np.where(spread > 0, spread, 1.0), -1.0)
        expected = np.argsort(ratio, kind="stable")[:32]
        found = nearby_codes(loss, values, code, count=32)
        assert np.array_equal(found.codes[0], codes[best])
        assert len(_keys(found.codes)) == len(found.codes) == 32
        assert len(_keys(found.codes) & _keys(codes[expected])) >= 31
        np.testing.assert_allclose(found.ratio[1:], np.sort(ratio)[1:32], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.rise, loss.rise(values[found.codes] - values[code]))


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_nearest_ties_of_a_code_are_found_those_that_move_fewest_first(correlation: float) -> None:
    for seed in range(3):
        loss, code = regression(6, TERNARY, correlation=correlation, seed=seed)
        codes, rise, steps = everything(loss, TERNARY, code)
        moved = (codes != code).sum(axis=1)
        size = np.abs(rise) / np.where(moved > 0, loss.spread(steps), 1.0)
        order = np.lexsort((size, np.where(size <= 0.1, moved, 0), np.maximum(size, 0.1)))
        order = np.concatenate([order[moved[order] == 0], order[moved[order] > 0]])
        found = near_ties(loss, TERNARY, code, count=24, n=100)
        assert np.array_equal(found.codes, codes[order[:24]])


def test_a_pair_that_compensates_is_nearer_than_its_flips() -> None:
    curvature = np.array([[1.0, 0.95], [0.95, 1.0]])
    loss = QuadraticLoss(np.zeros(2), curvature, curvature)
    for found in (
        nearby_codes(loss, TERNARY, np.array([1, 1]), count=9),
        near_ties(loss, TERNARY, np.array([1, 1]), count=9, n=100),
    ):
        assert found.steps.tolist()[0] == [0.0, 0.0]
        assert sorted(found.steps.tolist()[1:3]) == [[-1.0, 1.0], [1.0, -1.0]]
        assert sorted(np.abs(found.steps).sum(axis=1).tolist()[3:7]) == [1.0] * 4


def test_single_flips_come_first_where_nothing_is_coupled() -> None:
    loss = QuadraticLoss(np.zeros(5), np.eye(5), np.eye(5))
    found = nearby_codes(loss, TERNARY, np.full(5, 1), count=11)
    assert (np.abs(found.steps).sum(axis=1) == [0.0] + [1.0] * 10).all()
    np.testing.assert_allclose(found.ratio[1:], 0.5)


def _many(d: int) -> tuple[QuadraticLoss, FloatArray]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((600, d)) @ (np.eye(d) + 0.5 * rng.standard_normal((d, d)) / d**0.5)
    weights = rng.standard_normal(d)
    own = np.round(2.0 * weights) / 2.0
    gradients = (x @ (own - weights) + rng.standard_normal(600))[:, None] * x
    loss = QuadraticLoss(gradients.mean(axis=0), x.T @ x / 600, np.cov(gradients, rowvar=False))
    return loss, own[:, None] + [-0.5, 0.0, 0.5]


def test_no_pair_of_moves_lowers_the_first_code_of_many_coordinates() -> None:
    d = 40
    loss, levels = _many(d)
    found = nearby_codes(loss, levels, np.full(d, 1), count=64)
    first = found.steps[0]
    assert (found.ratio[1:] >= 0).all()
    assert (np.diff(found.ratio) >= 0).all()
    moves = 0.5 * np.concatenate([np.eye(d), -np.eye(d)])
    inside = np.abs(first + moves).max(axis=1) <= 0.5
    assert loss.rise(first + moves[inside]).min() >= found.rise[0]
    again = nearby_codes(loss, levels, np.full(d, 1), count=64)
    assert np.array_equal(found.codes, again.codes)


def test_no_more_coordinates_move_than_may_and_fixed_ones_do_not() -> None:
    d = 40
    loss, levels = _many(d)
    levels[:10, [0, 2]] = np.nan
    for found in (
        nearby_codes(loss, levels, np.full(d, 1), count=300, max_moved=3),
        near_ties(loss, levels, np.full(d, 1), count=300, n=600, max_moved=3),
    ):
        assert len(found.codes) == 300
        assert (found.codes != 1).sum(axis=1).max() <= 3
        assert (found.codes[:, :10] == 1).all()
        np.testing.assert_array_equal(found.steps, np.take_along_axis(levels, found.codes.T, 1).T - levels[:, 1])


def test_flips_that_no_record_feels_are_no_rivals() -> None:
    loss = QuadraticLoss(np.zeros(2), np.diag([1.0, 0.0]), np.diag([1.0, 0.0]))
    found = nearby_codes(loss, TERNARY, np.array([1, 1]), count=9)
    assert len(found.codes) == 7
    assert (found.codes[1:, 0] != 1).all()
    nothing = QuadraticLoss(np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2)))
    assert len(nearby_codes(nothing, TERNARY, np.array([1, 1]), count=9).codes) == 1


def test_a_larger_budget_begins_with_the_smaller_one() -> None:
    loss, levels = _many(40)
    few, many = (near_ties(loss, levels, np.full(40, 1), count=count, n=600) for count in (5, 60))
    assert np.array_equal(few.codes, many.codes[:5])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": np.array([1])}, r"code \(1,\), expected 2 indices of 3 levels"),
        ({"code": np.array([1, 3])}, "expected 2 indices of 3 levels"),
        ({"levels": np.array([-1.0, np.nan, 1.0])}, "a level without a value"),
        ({"count": 0}, "count=0"),
        ({"max_moved": 0}, "max_moved=0"),
    ],
)
def test_codes_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    loss = QuadraticLoss(np.zeros(2), np.eye(2), np.eye(2))
    options: dict[str, Any] = {"levels": TERNARY, "code": np.array([1, 1]), "count": 4}
    with pytest.raises(InputError, match=message):
        nearby_codes(loss, **(options | changes))


def test_a_loss_that_is_not_finite_or_a_training_set_of_nobody_is_refused() -> None:
    with pytest.raises(InputError, match=r"gradient is \(2,\), expected finite"):
        QuadraticLoss(np.array([0.0, np.nan]), np.eye(2), np.eye(2))
    with pytest.raises(InputError, match=r"covariance is \(3, 3\), expected finite \(2, 2\)"):
        QuadraticLoss(np.zeros(2), np.eye(2), np.eye(3))
    with pytest.raises(InputError, match="n=0"):
        near_ties(QuadraticLoss(np.zeros(2), np.eye(2), np.eye(2)), TERNARY, np.array([1, 1]), count=3, n=0)
