"""The bound of mu: exact without leakage, valid for the Gaussian mechanism, and its reading as (epsilon, delta)."""

import math

import numpy as np
import pytest
from hypothesis import given
from scipy.stats import hypergeom, norm

from harness.errors import InputError
from harness.stats import epsilon_lower, gdp_delta, gdp_epsilon, gdp_lower, roc
from harness.stats._gdp import _bottom, _top, gdp_p_value

from .populations import NOTHING, Population, Scored, scored

AUDITS = 300
MONTE_CARLO = 3 * np.sqrt(0.05 * 0.95 / AUDITS)


@pytest.mark.parametrize(
    ("m", "n", "size", "right"), [(100, 100, 16, 14), (1000, 1000, 64, 45), (30, 500, 16, 5), (1000, 1000, 16, 16)]
)
def test_without_leakage_the_p_value_is_the_hypergeometric_tail(m: int, n: int, size: int, right: int) -> None:
    expected = hypergeom.sf(right - 1, m + n, m, size)
    assert gdp_p_value(right, size - right, m, n, 0.0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("mu", "right"), [(0.5, 20), (1.0, 24), (2.0, 30)])
def test_the_p_value_is_that_of_the_gaussian_mechanism(mu: float, right: int) -> None:
    # 32 records on top of 100 + 150, counted in simulated audits.
    m, n, size, audits = 100, 150, 32, 20_000
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(audits, m + n))
    scores[:, :m] += mu
    members = (np.argpartition(-scores, size, axis=1)[:, :size] < m).sum(axis=1)
    share = float((members >= right).mean())
    assert gdp_p_value(right, size - right, m, n, mu) == pytest.approx(share, abs=4 * math.sqrt(0.25 / audits))


@pytest.mark.parametrize("mu", [0.0, 0.5, 2.0])
def test_the_bound_exceeds_the_mu_of_the_gaussian_mechanism_in_at_most_five_percent(mu: float) -> None:
    rng = np.random.default_rng(1)
    bounds = np.array([gdp_lower(*Population(mu).draw(500, 500, rng)).value for _ in range(AUDITS)])
    print(f"\nmu {mu}: bound above it in {np.mean(bounds > mu):.1%} of {AUDITS}, median {np.median(bounds):.2f}")
    assert np.mean(bounds > mu) <= 0.05 + MONTE_CARLO
    if mu:
        assert np.median(bounds) > 0.6 * mu


def test_tied_records_at_a_cut_count_against_the_attack() -> None:
    # The top 16: 10 alone, then a tie of 4 members and 5 non-members, of which 6 are taken, non-members first.
    scores = np.concatenate([np.full(10, 3.0), np.full(4, 2.0), np.full(5, 2.0), np.zeros(20), np.ones(1)])
    membership = np.concatenate([np.ones(14), np.zeros(5), np.zeros(20), np.ones(1)]).astype(int)
    curve = roc(scores, membership)
    assert _top(curve, 16) == 11
    assert [_bottom(curve, size) for size in (20, 21, 23, 25, 26, 30)] == [20, 20, 20, 20, 21, 25]
    mirrored = roc(-scores, 1 - membership)
    for size in range(1, 41):
        assert _top(mirrored, size) == _bottom(curve, size)


@given(scored())
def test_ties_and_small_audits_give_a_finite_mu(data: Scored) -> None:
    estimate = gdp_lower(*data)
    assert 0.0 <= estimate.value < math.inf
    assert (estimate.low, estimate.high) == (estimate.value, math.inf)


def test_level_and_design_effect_lower_the_bound() -> None:
    curve = roc(*Population(1.5).draw(500, 500, np.random.default_rng(2)))
    plain = gdp_lower(curve).value
    assert gdp_lower(curve, level=0.999).value < plain
    assert 0.0 < gdp_lower(curve, design_effect=2.0).value < plain
    with pytest.raises(InputError, match="design_effect"):
        gdp_lower(curve, design_effect=0.5)


@pytest.mark.parametrize("mu", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_delta_is_the_largest_excess_over_all_thresholds(mu: float, epsilon: float) -> None:
    cuts = np.linspace(-10, 20, 300_001)
    excess = (norm.sf(cuts - mu) - math.exp(epsilon) * norm.sf(cuts)).max()
    assert gdp_delta(mu, epsilon) == pytest.approx(max(0.0, excess), abs=1e-9)


@pytest.mark.parametrize("delta", [1e-1, 1e-5, 1e-12])
def test_epsilon_inverts_delta(delta: float) -> None:
    for mu in (0.5, 1.0, 6.0):
        assert gdp_delta(mu, gdp_epsilon(mu, delta)) == pytest.approx(delta, rel=1e-6)
    assert gdp_epsilon(1.0, 1e-5) == pytest.approx(4.377, abs=1e-3)
    assert gdp_epsilon(0.0, delta) == gdp_epsilon(1e-13, delta) == 0.0
    assert gdp_epsilon(1.0, 0.0) == math.inf


def test_the_epsilon_of_a_mu_of_a_gaussian_attack_is_beyond_that_of_the_counts() -> None:
    # With a delta of 1e-5 the counts alone bound the epsilon of a single cut; mu extends them to all others.
    curve = roc(*Population(2.0).draw(2000, 2000, np.random.default_rng(3)))
    assert gdp_epsilon(gdp_lower(curve).value, 1e-5) > 1.5 * epsilon_lower(curve, delta=1e-5).value


def test_a_bad_mu_and_a_bad_delta_are_refused() -> None:
    for mu in (-1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="mu"):
            gdp_epsilon(mu, 1e-5)
    with pytest.raises(InputError, match="delta"):
        gdp_epsilon(1.0, 1.0)


@pytest.mark.slow
def test_no_leak_gives_a_positive_mu_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(4)
    for m, n in ((1000, 1000), (50, 1000)):
        positive = np.mean([gdp_lower(*NOTHING.draw(m, n, rng)).value > 0 for _ in range(1000)])
        print(f"\nmu above zero without leakage, {m} + {n}: {positive:.1%}")
        assert positive <= 0.05
