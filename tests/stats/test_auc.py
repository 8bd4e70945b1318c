"""AUC and DeLong against their definitions, and the degenerate cases."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

from harness.stats import auc, auc_difference, roc
from harness.stats._auc import delong
from harness.types import FloatArray, IntArray

from .populations import WEAK, Scored, scored


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


def test_interval_is_symmetric_on_the_logit_scale() -> None:
    scores, membership = WEAK[2].draw(60, 40, np.random.default_rng(0))
    estimate = auc(scores, membership, level=0.9)
    v10, v01 = placements(scores, membership)
    half = norm.isf(0.05) * np.sqrt(brute_variance(v10, v01)) / (estimate.value * (1 - estimate.value))
    centre = np.log(estimate.value / (1 - estimate.value))
    assert estimate.low == pytest.approx(1 / (1 + np.exp(half - centre)), rel=1e-12)
    assert estimate.high == pytest.approx(1 / (1 + np.exp(-half - centre)), rel=1e-12)
    assert (estimate.n, estimate.level, estimate.method) == (100, 0.9, "delong-logit")


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
    variance = brute_variance(a[0] - b[0], a[1] - b[1])
    if variance > 1e-9:
        half = norm.isf(0.025) * np.sqrt(variance)
        assert estimate.low == pytest.approx(max(-1, estimate.value - half), abs=1e-9)
        assert estimate.high == pytest.approx(min(1, estimate.value + half), abs=1e-9)
    back = auc_difference(other, scores, membership)
    assert (back.value, back.low) == pytest.approx((-estimate.value, -estimate.high), abs=1e-12)


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
