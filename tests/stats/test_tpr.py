"""TPR at a low FPR: the step function, rates that n cannot resolve, and the interval's ends."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from harness.errors import InputError
from harness.stats import clopper_pearson, roc, tpr_at_fpr
from harness.types import FloatArray, IntArray, TprEstimate

from .populations import FEW_EXPOSED, NOTHING, STRONG, WEAK, Scored, scored

AUDITS = 300


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
    # 5% of non-members and 30% of members at 1.0: no threshold has a FPR between 0 and 5%, so the step at 0.1% is 0,
    # and no value: the tie hides an attack.
    rng = np.random.default_rng(0)
    scores = rng.random(20_000) * 0.9
    membership = np.repeat([1, 0], 10_000)
    scores[:3000] = 1.0
    scores[10_000:10_500] = 1.0
    estimate = tpr_at_fpr(scores, 0.001, membership)
    assert (estimate.low, estimate.false_positives, estimate.threshold) == (0.0, 0, np.inf)
    assert not estimate.resolvable
    assert math.isnan(estimate.value)
    assert estimate.at_threshold[1] < 0.001
    assert 0.3 < estimate.high < 0.32
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
    pairs = np.repeat(scores, 2) + np.tile([0.0, 1e-9], len(scores))  # next to each other, but not tied
    double = tpr_at_fpr(pairs, 0.01, np.repeat(membership, 2), design_effect=2.0)
    assert double.value == single.value
    assert double.at_threshold == pytest.approx(single.at_threshold, abs=1e-12)
    assert (double.low, double.high) == pytest.approx((single.low, single.high), rel=0.03)
    assert double.n == 2 * single.n


@pytest.mark.parametrize("effect", [0.5, 0.0, float("nan"), float("inf")])
def test_a_design_effect_below_one_is_refused(effect: float) -> None:
    with pytest.raises(InputError, match="design_effect"):
        tpr_at_fpr([1.0, 2.0], 0.01, [0, 1], design_effect=effect)


def ties(members: dict[float, int], nonmembers: dict[float, int]) -> Scored:
    """So many members and so many non-members with each score."""
    scores = [score for side in (members, nonmembers) for score, count in side.items() for _ in range(count)]
    return np.array(scores), np.repeat([1, 0], [sum(members.values()), sum(nonmembers.values())])


@pytest.mark.parametrize(
    ("members", "nonmembers", "tied", "low", "high"),
    [
        # Boosted trees: 1.17% of the non-members share the largest score. Was 0.0% [0.0%, 3.3%].
        ({1.0: 123, 0.5: 2877}, {1.0: 35, 0.5: 2965}, 35 / 3000, (0.0, 0.0), (0.041, 0.06)),
        # The largest label alone, right for all members and 75% of the non-members. Was 0.0% [0.0%, 0.3%].
        ({1.0: 1000}, {1.0: 750, 0.0: 250}, 0.75, (0.0, 0.0), (1.0, 1.0)),
        # A tie behind 4 of 10 allowed false positives, with a fifth of the members. Was 1.0% [0.5%, 1.8%].
        ({2.0: 10, 1.0: 200, 0.0: 790}, {2.0: 4, 1.0: 30, 0.0: 966}, 0.03, (0.0, 0.006), (0.21, 0.25)),
    ],
    ids=["boosted trees", "largest label", "tie behind some records"],
)
def test_a_tie_that_hides_the_attack_makes_the_rate_unresolvable(
    members: dict[float, int],
    nonmembers: dict[float, int],
    tied: float,
    low: tuple[float, float],
    high: tuple[float, float],
) -> None:
    estimate = tpr_at_fpr(roc(*ties(members, nonmembers)), 0.01)
    assert (estimate.resolvable, estimate.needed_n, estimate.tied) == (False, None, tied)
    assert math.isnan(estimate.value)
    assert low[0] <= estimate.low <= low[1]
    assert high[0] <= estimate.high <= high[1]
    again = TprEstimate.from_json(estimate.to_json())
    assert again is not None
    assert (again.tied, again.resolvable, again.needed_n) == (tied, False, None)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_whether_a_tie_hides_the_attack_does_not_depend_on_the_level(level: float) -> None:
    hidden = roc(*ties({1.0: 15, 0.0: 985}, {1.0: 12, 0.0: 988}))
    assert not tpr_at_fpr(hidden, 0.01, level=level).resolvable


def test_a_tie_without_an_attack_leaves_the_rate_resolvable() -> None:
    # A third of the non-members and none of the members share the score that crosses 1%.
    curve = roc(*ties({2.0: 30, 0.0: 970}, {2.0: 4, 1.0: 300, 0.0: 696}))
    estimate = tpr_at_fpr(curve, 0.01)
    assert (estimate.value, estimate.tied) == (0.03, 0.3)
    assert estimate.high < 0.06


@pytest.mark.parametrize("step", [0.0, 0.0001, 0.001, 0.002], ids=lambda step: f"scores in steps of {step}")
def test_continuous_scores_and_small_ties_stay_resolvable(step: float) -> None:
    # Steps in units of the non-members' ranks: at most 0.2% of them are tied.
    rng = np.random.default_rng(0)
    for population in (NOTHING, WEAK[2], STRONG):
        for _ in range(20):
            scores, membership = population.draw(1000, 1000, rng)
            ranks = norm.sf(scores)
            ranks = -np.ceil(ranks / step) * step if step else -ranks
            estimate = tpr_at_fpr(ranks, 0.01, membership)
            assert estimate.resolvable
            assert estimate.low <= estimate.value <= estimate.high


def test_the_treatment_of_ties_changes_no_interval_of_continuous_scores() -> None:
    # The figures of the mixture alone, before ties were considered.
    estimate = tpr_at_fpr(roc(*WEAK[2].draw(1000, 1000, np.random.default_rng(1))), 0.01)
    assert estimate.tied == 0.0
    assert (estimate.low, estimate.high) == pytest.approx((0.018279854023436064, 0.060700204099159355), rel=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.0099), (0.004, 0.011), (0.006, 0.0101)])
def test_the_interval_holds_the_rate_beside_a_tie_at_the_rate(start: float, end: float) -> None:
    # All scores whose false-positive rate lies between the two are tied. Coverage was 77%, 80% and 80%.
    rng = np.random.default_rng(0)
    truth = STRONG.tpr(start if end > 0.01 else 0.01)
    held = []
    for _ in range(AUDITS):
        scores, membership = STRONG.draw(1000, 1000, rng)
        ranks = norm.sf(scores)
        ranks[(ranks >= start) & (ranks < end)] = end
        held.append(tpr_at_fpr(-ranks, 0.01, membership).holds(truth))
    assert np.mean(held) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / AUDITS)
