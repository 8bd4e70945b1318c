"""The exact leakage of rounding against closed forms and against retraining; what an attacker gets of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import ArrayLike

from harness import mis
from studies._shared import GRIDS
from studies.mis_synthetic.pairs_attacker import implied_delta
from studies.mis_synthetic.rounding_law import draw_world
from studies.mis_synthetic.truth import Truth, true_delta

SIGN = np.array([0.0])


def leakage(mean: ArrayLike, cuts: ArrayLike, n: int, *, records: int = 3000, codes: int = 300, seed: int = 0) -> Truth:
    """The true leakage, averaged over as many target records."""
    rng = np.random.default_rng(seed)
    return true_delta(np.asarray(mean), np.asarray(cuts), n=n, records=records, codes=codes, rng=rng)


@pytest.mark.parametrize("n", [50, 400])
def test_the_leakage_of_one_undecided_weight_is_an_arcsine(n: int) -> None:
    measured = leakage([0.0], SIGN, n)
    assert measured.how == "drawn"
    assert measured.value == pytest.approx(math.asin(1 / math.sqrt(n)) / math.pi, rel=0.05)
    assert measured.low < measured.value < measured.high


@pytest.mark.parametrize(
    ("s", "n", "expected", "how"),
    [(0.1, 50, 3.51615e-2, "drawn"), (0.3, 100, 3.5287e-4, "enumerated"), (0.5, 100, 1.1759e-7, "enumerated")],
)
def test_the_leakage_of_one_weight_falls_with_its_distance_from_the_cut(
    s: float, n: int, expected: float, how: str
) -> None:
    measured = leakage([-s], SIGN, n, records=20_000, codes=100)
    assert measured.how == how
    assert measured.value == pytest.approx(expected, rel=0.05)


def test_tiny_leakage_does_not_underflow() -> None:
    measured = leakage([1.0, -1.1], SIGN, 900)
    assert measured.how == "enumerated"
    assert 0 < measured.value < 1e-150
    assert math.log(measured.value) == pytest.approx(-450, rel=0.05)  # exp(-n s^2 / 2), but for a prefactor


def test_undecided_weights_add_up_like_a_square_root() -> None:
    measured = leakage(np.zeros(64), SIGN, 1600, records=600)
    assert measured.value == pytest.approx(8 / math.pi / 40, rel=0.05)


def test_the_exact_leakage_is_that_of_retraining_the_least_squares_code() -> None:
    mean, cuts, n = np.array([0.05, -0.3, 0.62]), np.array([-0.6, 0.0, 0.6]), 60
    levels = np.array([-0.9, -0.3, 0.3, 0.9])
    weights = np.array(list(itertools.product(levels, repeat=3)))
    rng = np.random.default_rng(1)
    others = mean + rng.standard_normal((10_000, 3)) / math.sqrt(n - 1)
    sums = (n - 1) * (np.sum(weights**2, axis=1) - 2 * others @ weights.T)
    records = mean + rng.standard_normal((1000, 3))
    targets = np.sum(weights**2, axis=1) - 2 * records @ weights.T
    lower, upper = mis.mc_delta(sums[:5000], sums[5000:], targets)
    measured = leakage(mean, cuts, n)
    assert measured.value == pytest.approx(0.5 * (lower + upper), rel=0.06)


def test_no_level_to_cross_means_no_leakage() -> None:
    measured = leakage([0.0, 5.0], np.array([100.0]), 400)
    assert (measured.value, measured.how) == (0.0, "enumerated")


@pytest.mark.parametrize("quantizer", GRIDS)
def test_the_indicator_of_flips_is_that_of_the_law(quantizer: str) -> None:
    world = draw_world(3)
    records = world.records(40_000, np.random.default_rng(0))
    candidates = world.flips(quantizer, world.mean, 64)
    assert (candidates[0] == world.quantized(world.mean, quantizer)).all()
    assert ((candidates[1:] != candidates[0]).sum(axis=1) == 1).all()
    measured = mis.indicator(world.losses(candidates, records))
    assert measured.r == pytest.approx(world.r(quantizer), rel=0.25, abs=2 * measured.r_floor)


@pytest.mark.parametrize(("quantizer", "n"), [("sign", 100), ("uniform-8", 100), ("uniform-8", 400)])
def test_flips_side_by_side_predict_the_truth(quantizer: str, n: int) -> None:
    world = draw_world(4)
    losses = world.losses(world.flips(quantizer, world.mean, 256), world.records(4000, np.random.default_rng(0)))
    predicted = math.exp(mis.predict_log_delta(losses, n=n, how="product")[0])
    truth = leakage(world.mean, world.grids[quantizer].cuts[0], n, records=200, codes=100)
    assert predicted == pytest.approx(truth.value, rel=0.25)


def test_the_trained_attacker_reaches_a_part_of_the_true_leakage_and_never_more() -> None:
    world = draw_world(5)
    rng = np.random.default_rng(0)
    truth = leakage(world.mean, world.grids["uniform-8"].cuts[0], 100, records=200, codes=100)
    measured = implied_delta(world, "uniform-8", n=100, pairs=20_000, rng=rng)
    assert measured.low <= truth.high
    assert measured.value > 0.5 * truth.value
    assert measured.n == 10_000
    nothing = implied_delta(world, "ternary-0.9", n=1_000_000, pairs=20_000, rng=rng)
    assert nothing.holds(0.0)
