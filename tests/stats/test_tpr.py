"""TPR at a low FPR: the step function, rates that n cannot resolve, and the interval's ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.stats import clopper_pearson, roc, tpr_at_fpr
from harness.types import FloatArray, IntArray

from .populations import FEW_EXPOSED, NOTHING, WEAK, Scored, scored


def brute_step(scores: FloatArray, membership: IntArray, fpr: float) -> float:
    members, nonmembers = scores[membership == 1], scores[membership == 0]
    return max(
        float((members >= t).mean())
        for t in (np.inf, *scores)
        if (nonmembers >= t).sum() <= fpr * len(nonmembers) + 1e-9
    )


@given(scored(), st.sampled_from([0.01, 0.1, 0.2, 0.25, 0.5, 0.9]))
def test_the_rate_is_the_step_function_with_ties(data: Scored, fpr: float) -> None:
    scores, membership = data
    estimate = tpr_at_fpr(roc(scores, membership), fpr)
    expected = brute_step(scores, membership, fpr)
    nonmembers = scores[membership == 0]
    assert estimate.false_positives == (nonmembers >= estimate.threshold).sum()
    assert (scores[membership == 1] >= estimate.threshold).mean() == expected
    assert 0.0 <= estimate.low <= expected <= estimate.high <= 1.0
    if estimate.resolvable:
        assert estimate.value == expected
    else:
        assert math.isnan(estimate.value)


def test_saturated_scores_are_not_interpolated() -> None:
    # 5% of non-members and 30% of members at 1.0: no threshold has a FPR between 0 and 5%, so TPR at 0.1% is 0.
    rng = np.random.default_rng(0)
    scores = rng.random(20_000) * 0.9
    membership = np.repeat([1, 0], 10_000)
    scores[:3000] = 1.0
    scores[10_000:10_500] = 1.0
    estimate = tpr_at_fpr(scores, 0.001, membership)
    assert (estimate.value, estimate.low, estimate.false_positives, estimate.threshold) == (0.0, 0.0, 0, np.inf)
    assert estimate.high < 0.001
    # At 5% the saturated members are reached, and the few above every other non-member.
    assert 0.3 <= tpr_at_fpr(scores, 0.05, membership).value < 0.302


def test_too_few_nonmembers_make_the_rate_unresolvable() -> None:
    scores, membership = WEAK[2].draw(500, 999, np.random.default_rng(0))
    estimate = tpr_at_fpr(scores, 0.01, membership)
    assert not estimate.resolvable
    assert estimate.needed_n == 1000
    assert math.isnan(estimate.value)
    assert tpr_at_fpr(scores, 0.001, membership).needed_n == 10_000
    row = estimate.to_json()
    assert row["value"] is None
    assert row["needed_n"] == 1000


@pytest.mark.parametrize(("n", "fpr"), [(1000, 0.01), (10_000, 0.001), (100, 0.1), (100_000, 0.0001)])
def test_exactly_enough_nonmembers_make_the_rate_resolvable(n: int, fpr: float) -> None:
    scores, membership = NOTHING.draw(100, n, np.random.default_rng(0))
    estimate = tpr_at_fpr(scores, fpr, membership)
    assert estimate.resolvable
    assert estimate.needed_n is None
    assert estimate.false_positives == 10


def test_the_interval_is_wider_than_that_of_the_realised_threshold() -> None:
    scores, membership = WEAK[2].draw(1000, 1000, np.random.default_rng(1))
    estimate = tpr_at_fpr(scores, 0.01, membership)
    tp = int((scores[:1000] >= estimate.threshold).sum())
    assert estimate.at_threshold == clopper_pearson(tp, 1000)
    assert estimate.low < estimate.at_threshold[0]
    assert estimate.high > estimate.at_threshold[1]


def test_perfect_separation_reaches_one() -> None:
    membership = np.repeat([1, 0], [500, 1000])
    scores = membership + np.random.default_rng(0).random(1500) * 0.5
    estimate = tpr_at_fpr(scores, 0.01, membership)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    assert 0.98 < estimate.low < 1.0


def test_wider_level_gives_a_wider_interval() -> None:
    curve = roc(*FEW_EXPOSED.draw(2000, 2000, np.random.default_rng(0)))
    narrow, wide = tpr_at_fpr(curve, 0.01, level=0.8), tpr_at_fpr(curve, 0.01, level=0.999)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_thinning_of_counts_does_not_move_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = roc(*WEAK[2].draw(20_000, 20_000, np.random.default_rng(0)))
    thinned = tpr_at_fpr(curve, 0.05)
    monkeypatch.setattr("harness.stats._tpr.MAX_COUNTS", 100_000)
    full = tpr_at_fpr(curve, 0.05)
    assert (thinned.low, thinned.high) == pytest.approx((full.low, full.high), rel=1e-3)


@pytest.mark.parametrize("fpr", [0.0, 1.0, -0.1, float("nan")])
def test_a_false_positive_rate_outside_zero_and_one_is_refused(fpr: float) -> None:
    with pytest.raises(InputError, match="fpr"):
        tpr_at_fpr([1.0, 2.0], fpr, [0, 1])


def test_records_that_count_twice_have_the_interval_of_half_as_many() -> None:
    scores, membership = WEAK[2].draw(2000, 2000, np.random.default_rng(0))
    single = tpr_at_fpr(scores, 0.01, membership)
    double = tpr_at_fpr(np.repeat(scores, 2), 0.01, np.repeat(membership, 2), design_effect=2.0)
    assert double.value == single.value
    assert double.at_threshold == pytest.approx(single.at_threshold, abs=1e-12)
    assert (double.low, double.high) == pytest.approx((single.low, single.high), rel=0.03)
    assert double.n == 2 * single.n


@pytest.mark.parametrize("effect", [0.5, 0.0, float("nan"), float("inf")])
def test_a_design_effect_below_one_is_refused(effect: float) -> None:
    with pytest.raises(InputError, match="design_effect"):
        tpr_at_fpr([1.0, 2.0], 0.01, [0, 1], design_effect=effect)
