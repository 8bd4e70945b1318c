"""Intervals of one proportion, balanced accuracy and the best threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta
from statsmodels.stats.proportion import proportion_confint

from harness.errors import InputError
from harness.stats import balanced_accuracy, best_threshold, clopper_pearson, roc, wilson
from harness.stats._melded import melded_mean

from .populations import WEAK, Scored, scored

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_agree_with_statsmodels(count: tuple[int, int], level: float) -> None:
    successes, trials = count
    expected = proportion_confint(successes, trials, alpha=1 - level, method="beta")
    assert clopper_pearson(successes, trials, level=level) == pytest.approx(expected, abs=1e-12)
    expected = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    assert wilson(successes, trials, level=level) == pytest.approx(expected, abs=1e-12)


def test_no_trials_give_the_widest_interval_and_more_successes_than_trials_are_refused() -> None:
    assert clopper_pearson(0, 0) == wilson(0, 0) == (0.0, 1.0)
    for interval in (clopper_pearson, wilson):
        with pytest.raises(InputError, match="3 of 2"):
            interval(3, 2)


@given(scored(), st.floats(-15, 15))
def test_balanced_accuracy_is_the_mean_of_both_rates(data: Scored, threshold: float) -> None:
    scores, membership = data
    estimate = balanced_accuracy(scores, membership, threshold)
    guess = scores >= threshold
    tpr, tnr = guess[membership == 1].mean(), 1 - guess[membership == 0].mean()
    assert estimate.value == pytest.approx((tpr + tnr) / 2, abs=1e-14)
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
    assert estimate.low < estimate.high
    assert balanced_accuracy(roc(scores, membership), None, threshold) == estimate


def test_balanced_accuracy_ignores_how_many_records_each_side_has() -> None:
    scores, membership = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]), np.array([1, 1, 0, 0, 0, 0])
    assert balanced_accuracy(scores, membership, 0.5).value == (0.5 + 0.75) / 2


@given(scored())
def test_best_threshold_reaches_the_maximum(data: Scored) -> None:
    scores, membership = data
    cut = best_threshold(scores, membership)
    reached = balanced_accuracy(scores, membership, cut).value
    members, nonmembers = scores[membership == 1], scores[membership == 0]
    best = max(((members >= t).mean() + (nonmembers < t).mean()) / 2 for t in (*scores, np.inf))
    assert reached == pytest.approx(best, abs=1e-14)


def test_best_threshold_lies_midway_between_two_scores() -> None:
    assert best_threshold([0.0, 1.0, 3.0, 4.0], [0, 0, 1, 1]) == 2.0


def test_best_threshold_of_equally_good_cuts_is_the_middle_one() -> None:
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    # One member on top; then member, non-member alternate, so that cuts after 5, 3 and 1 are equally good.
    assert best_threshold(scores, [1, 0, 1, 0, 1, 0]) == 2.5


def test_best_threshold_of_neighbouring_and_of_huge_scores_separates_them() -> None:
    below, above = 1.0, float(np.nextafter(1.0, 2.0))
    assert best_threshold([below, above], [0, 1]) == above
    assert best_threshold([1.7e308, 1.6e308], [1, 0]) == pytest.approx(1.65e308)


def test_best_threshold_of_reversed_scores_calls_all_or_nobody_a_member() -> None:
    cut = best_threshold([0.0, 1.0], [1, 0])
    assert balanced_accuracy([0.0, 1.0], [1, 0], cut).value == 0.5


def test_a_nan_threshold_is_refused() -> None:
    with pytest.raises(InputError, match="threshold"):
        balanced_accuracy([0.0, 1.0], [0, 1], float("nan"))


def test_wider_level_gives_a_wider_interval() -> None:
    scores, membership = WEAK[1].draw(200, 300, np.random.default_rng(0))
    narrow, wide = (balanced_accuracy(scores, membership, 0.2, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_balanced_accuracy_of_records_that_count_twice_is_that_of_half_as_many() -> None:
    scores, membership = WEAK[2].draw(100, 300, np.random.default_rng(0))
    single = balanced_accuracy(scores, membership, 0.5)
    double = balanced_accuracy(np.repeat(scores, 2), np.repeat(membership, 2), 0.5, design_effect=2.0)
    assert (double.value, double.low, double.high) == pytest.approx((single.value, single.low, single.high), abs=1e-14)
    with pytest.raises(InputError, match="design_effect"):
        balanced_accuracy(scores, membership, 0.5, design_effect=0.9)


@pytest.mark.parametrize(
    ("first", "second"), [((3, 25), (20, 25)), ((45, 50), (990, 1000)), ((500, 1000), (600, 1000))]
)
def test_the_melded_ends_have_the_tails_of_the_two_laws_mean(first: tuple[int, int], second: tuple[int, int]) -> None:
    # At a level of 95%: Beta(x + .45, n - x + .55) below, Beta(x + .55, n - x + .45) above; the tail by quadrature.
    low, high = melded_mean(first, second, level=0.95)
    (x, m), (y, n) = first, second

    def below(x: float, y: float, a: float, b: float, end: float) -> float:
        one, other = beta(x + a, m - x + b), beta(y + a, n - y + b)
        first, last = float(one.ppf(1e-9)), float(one.isf(1e-9))
        return quad(lambda p: float(one.pdf(p) * other.cdf(2 * end - p)), first, last, limit=200)[0]

    tails = below(x, y, 0.45, 0.55, low), 1.0 - below(x, y, 0.55, 0.45, high)
    assert tails == pytest.approx((0.025, 0.025), rel=2e-3)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.9999])
def test_the_melded_interval_is_mirrored_with_successes_and_failures(level: float) -> None:
    low, high = melded_mean((47, 50), (999, 1000), level=level)
    assert melded_mean((3, 50), (1, 1000), level=level) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert melded_mean((999, 1000), (47, 50), level=level) == pytest.approx((low, high), abs=1e-9)
    assert melded_mean((0, 50), (0, 1000), level=level)[0] == 0.0
    assert melded_mean((50, 50), (1000, 1000), level=level)[1] == 1.0
