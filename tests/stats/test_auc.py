"""AUC and DeLong against their definitions, and the degenerate cases."""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from harness.errors import InputError
from harness.stats import auc, auc_difference, roc
from harness.stats._auc import delong, placements_per_record
from harness.types import FloatArray, IntArray

from .populations import FEW_EXPOSED, NOTHING, WEAK, Population, Scored, scored


def placements(scores: FloatArray, membership: IntArray) -> tuple[FloatArray, FloatArray]:
    """The O(m n) definition: every member against every non-member, ties half."""
    members, nonmembers = scores[membership == 1], scores[membership == 0]
    wins = (members[:, None] > nonmembers) + 0.5 * (members[:, None] == nonmembers)
    return wins.mean(axis=1), wins.mean(axis=0)


def brute_variance(v10: FloatArray, v01: FloatArray) -> float:
    return float(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))


@given(scored())
def test_value_is_the_mann_whitney_statistic(data: Scored) -> None:
    scores, membership = data
    members, nonmembers = scores[membership == 1], scores[membership == 0]
    u = mannwhitneyu(members, nonmembers, method="asymptotic").statistic
    assert auc(scores, membership).value == pytest.approx(u / (len(members) * len(nonmembers)), abs=1e-14)


@given(scored())
def test_variance_is_that_of_the_placement_values(data: Scored) -> None:
    scores, membership = data
    assume(2 <= membership.sum() <= len(scores) - 2)
    v10, v01 = placements(scores, membership)
    value, variance = delong(roc(scores, membership))
    assert value == pytest.approx(v10.mean(), abs=1e-14)
    assert variance == pytest.approx(brute_variance(v10, v01), abs=1e-13)


@pytest.mark.parametrize("design_effect", [1.0, 2.0])
def test_ends_lie_where_the_auc_is_too_far_for_the_variance_at_the_end(design_effect: float) -> None:
    scores, membership = WEAK[2].draw(60, 40, np.random.default_rng(0))
    estimate = auc(scores, membership, level=0.9, design_effect=design_effect)
    v10, v01 = placements(scores, membership)
    for end in (estimate.low, estimate.high):
        # Without ties, a placement value's variance falls as the power 4/3 of A (1 - A), from 1/12 at A = 0.5.
        at_end, at_value = ((4 * a * (1 - a)) ** (4 / 3) / 12 for a in (end, estimate.value))
        parts, freedoms = [], []
        for values in (v10, v01):
            spread = estimate.value * (1 - estimate.value)
            share = at_value / spread
            kurtosis = 3 + 6 * share * (1 / spread - 5 - share) / ((1 + share) * (1 + 2 * share))
            freedom = 2 / ((kurtosis - 3) / len(values) + 2 / (len(values) - 1))
            ratio = (2 + freedom * values.var(ddof=1) / at_value) / (2 + freedom)
            parts.append(ratio * at_end / len(values))
            freedoms.append(freedom + 2)
        freedom = sum(parts) ** 2 / sum(p**2 / f for p, f in zip(parts, freedoms, strict=True))
        distance = abs(estimate.value - end) / np.sqrt(sum(parts) * design_effect)
        # The variance of the pooled ranks is 1/12 up to 1 / N squared.
        assert distance == pytest.approx(student.isf(0.05, freedom), rel=2e-4)
    assert (estimate.n, estimate.level, estimate.method) == (100, 0.9, "delong-score")


@pytest.mark.parametrize(
    ("m", "n", "wider"), [(50, 50, 0.025), (200, 200, 0.01), (200, 2000, 0.01), (1000, 1000, 0.01)]
)
@pytest.mark.parametrize("population", [NOTHING, *WEAK, FEW_EXPOSED, Population(1.19)], ids=str)
def test_ordinary_intervals_are_as_wide_as_those_on_the_logit_scale(
    population: Population, m: int, n: int, wider: float
) -> None:
    rng = np.random.default_rng(m + n)
    ratios = []
    for _ in range(20):
        curve = roc(*population.draw(m, n, rng))
        value, variance = delong(curve)
        half = norm.isf(0.025) * np.sqrt(variance) / (value * (1 - value))
        low, high = expit(logit(value) - half), expit(logit(value) + half)
        estimate = auc(curve)
        ratios.append((estimate.high - estimate.low) / (high - low))
    assert 0.98 < np.mean(ratios) < 1 + wider


def test_a_design_effect_widens_as_fewer_records_do() -> None:
    scores, membership = WEAK[2].draw(500, 500, np.random.default_rng(0))
    noisy = scores + np.random.default_rng(1).normal(size=1000)
    for measure in (auc(scores, membership), auc_difference(scores, noisy, membership)):
        assert measure.low < measure.value < measure.high
    plain, wide = auc(scores, membership), auc(scores, membership, design_effect=2.0)
    assert wide.value == plain.value
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(np.sqrt(2), rel=0.01)
    plain, wide = (auc_difference(scores, noisy, membership, design_effect=effect) for effect in (1.0, 2.0))
    assert wide.value == plain.value
    assert (wide.high - wide.low) / (plain.high - plain.low) == pytest.approx(np.sqrt(2), rel=0.01)
    separated = np.repeat([1.0, 0.0], 20)
    assert auc(separated, separated, design_effect=2.0).low == pytest.approx(0.025 ** (1 / 10))
    same = auc_difference(separated, separated, separated, design_effect=2.0)
    assert (same.low, same.high) == pytest.approx((0.05 ** (1 / 10) - 1, 1 - 0.05 ** (1 / 10)))


def test_scores_that_order_every_pair_alike_differ_by_the_rule_of_three_at_most() -> None:
    scores, membership = WEAK[2].draw(400, 400, np.random.default_rng(3))
    same = auc_difference(scores, np.exp(scores), membership)
    assert same.value == 0.0
    assert same.high == -same.low == pytest.approx(3 / 400, rel=0.01)


def test_the_bound_of_scores_that_order_all_pairs_alike_holds_where_some_pairs_differ() -> None:
    """A share q of the members is scored 1 by one attack and 0 by the other; the audits that see none must cover q."""
    rng, level, n = np.random.default_rng(4), 0.95, 60
    for share in (0.01, 0.03, 0.05, 0.08):
        member = np.repeat([1, 0], n)
        missed = 0
        for _ in range(300):
            nothing = rng.random(2 * n)
            raised = np.where((member == 1) & (rng.random(2 * n) < share), 1.0 + nothing, nothing)
            found = auc_difference(raised, nothing, member, level=level)
            missed += found.method == "no-pair-differs" and not found.holds(share / 2)
        assert missed / 300 <= 1 - level + 2 * np.sqrt(level * (1 - level) / 300)


def test_an_impossible_design_effect_is_refused() -> None:
    for measure in (partial(auc, [1.0, 2.0]), partial(auc_difference, [1.0, 2.0], [1.0, 2.0])):
        with pytest.raises(InputError, match=r"design_effect: 0\.5"):
            measure([0, 1], design_effect=0.5)


@given(scored())
def test_placements_per_record_are_those_of_both_sides(data: Scored) -> None:
    scores, membership = data
    v10, v01 = placements(scores, membership)
    values = placements_per_record(scores, membership == 1)
    np.testing.assert_allclose(values[membership == 1], v10, rtol=0, atol=1e-15)
    np.testing.assert_allclose(values[membership == 0], v01, rtol=0, atol=1e-15)


def test_the_rating_data_of_hanley_and_mcneil_1982_give_their_area() -> None:
    # 109 CT images read on five grades, Radiology 143:29, table I: area .893.
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    scores = np.concatenate([np.repeat(np.arange(5.0), abnormal), np.repeat(np.arange(5.0), normal)])
    membership = np.repeat([1, 0], [51, 58])
    assert round(auc(scores, membership).value, 3) == 0.893


@given(scored())
def test_negated_scores_mirror_value_and_interval(data: Scored) -> None:
    scores, membership = data
    forward, backward = auc(scores, membership), auc(-scores, membership)
    assert backward.value == pytest.approx(1 - forward.value, abs=1e-14)
    assert backward.low == pytest.approx(1 - forward.high, abs=1e-9)
    assert backward.high == pytest.approx(1 - forward.low, abs=1e-9)


@given(scored(max_side=4), st.sampled_from([0.5, 0.95, 0.999999]))
def test_interval_is_never_nan_nor_outside(data: Scored, level: float) -> None:
    estimate = auc(*data, level=level)
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0
    assert estimate.low < estimate.high


def test_perfect_separation_has_the_clopper_pearson_lower_bound() -> None:
    membership = np.repeat([1, 0], [20, 30])
    estimate = auc(membership.astype(float), membership)
    assert (estimate.value, estimate.high) == (1.0, 1.0)
    # 20 independent pairs, all won: the Clopper-Pearson bound of 20 out of 20.
    assert estimate.low == pytest.approx(0.025 ** (1 / 20))
    assert auc(-membership.astype(float), membership).high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_tied_scores_give_one_half_with_an_interval_around_it() -> None:
    estimate = auc(np.zeros(80), np.repeat([1, 0], 40))
    assert estimate.value == 0.5
    assert 0.4 < estimate.low < 0.5 < estimate.high < 0.6


def test_one_member_gives_an_interval_from_zero_to_one() -> None:
    estimate = auc(np.array([0.5, *np.arange(10.0)]), np.array([1] + [0] * 10))
    assert (estimate.low, estimate.high) == (0.0, 1.0)


@given(scored(), st.integers(0, 2**32 - 1))
def test_paired_difference_is_delong_of_the_differences(data: Scored, seed: int) -> None:
    scores, membership = data
    assume(2 <= membership.sum() <= len(scores) - 2)
    other = np.random.default_rng(seed).integers(-5, 5, len(scores)).astype(float)
    a, b = placements(scores, membership), placements(other, membership)
    estimate = auc_difference(scores, other, membership)
    assert estimate.value == pytest.approx(a[0].mean() - b[0].mean(), abs=1e-14)
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high
    back = auc_difference(other, scores, membership)
    assert (back.value, back.low) == pytest.approx((-estimate.value, -estimate.high), abs=1e-9)


@pytest.mark.parametrize(("n", "off"), [(100, 0.03), (1000, 0.01)])
def test_the_interval_of_a_difference_is_that_of_its_paired_variance(n: int, off: float) -> None:
    rng = np.random.default_rng(0)
    scores, membership = WEAK[2].draw(n, n, rng)
    other = scores + rng.normal(size=2 * n)
    a, b = placements(scores, membership), placements(other, membership)
    half = norm.isf(0.025) * np.sqrt(brute_variance(a[0] - b[0], a[1] - b[1]))
    estimate = auc_difference(scores, other, membership)
    assert estimate.high - estimate.value == pytest.approx(half, rel=off)
    assert estimate.value - estimate.low == pytest.approx(half, rel=off)


def test_a_monotone_copy_differs_by_zero_within_a_narrow_interval() -> None:
    scores, membership = WEAK[1].draw(400, 400, np.random.default_rng(0))
    estimate = auc_difference(scores, np.exp(scores), membership)
    assert estimate.value == 0.0
    assert -0.01 < estimate.low < 0.0 < estimate.high < 0.01


def test_a_paired_difference_is_narrower_than_a_single_interval() -> None:
    rng = np.random.default_rng(0)
    scores, membership = WEAK[1].draw(400, 400, rng)
    noisy = scores + 0.3 * rng.normal(size=800)
    paired, alone = auc_difference(scores, noisy, membership), auc(scores, membership)
    assert paired.high - paired.low < 0.6 * (alone.high - alone.low)


def test_one_record_a_side_gives_the_widest_interval_of_a_difference() -> None:
    estimate = auc_difference([1.0, 2.0], [2.0, 1.0], [0, 1])
    assert (estimate.value, estimate.low, estimate.high) == (1.0, -1.0, 1.0)
