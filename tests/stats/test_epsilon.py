"""The bound of epsilon: exact validity, a correction for the search over cuts, and power."""

import math

import numpy as np
import pytest
from hypothesis import given
from scipy.special import betaincinv
from scipy.stats import binom

from harness.errors import InputError
from harness.stats import epsilon_lower, roc
from harness.stats._epsilon import _cuts
from harness.types import FloatArray

from .populations import FEW_EXPOSED, NOTHING, WEAK, Population, Scored, scored


def table_of_bounds(m: int, n: int, delta: float) -> FloatArray:
    """The bound of every outcome (true positives, false positives) of one held-out threshold, ``[m + 1, n + 1]``."""
    table = np.empty((m + 1, n + 1))
    membership = np.repeat([1, 0], [m, n])
    for tp in range(m + 1):
        for fp in range(n + 1):
            scores = np.concatenate([np.arange(m) < tp, np.arange(n) < fp]).astype(float)
            table[tp, fp] = epsilon_lower(scores, membership, threshold=0.5, delta=delta).value
    return table


@pytest.mark.parametrize(("m", "n"), [(20, 20), (10, 30)])
@pytest.mark.parametrize("delta", [0.0, 0.05])
def test_error_at_a_held_out_threshold_is_below_alpha_for_every_pair_of_rates(m: int, n: int, delta: float) -> None:
    # Enumerated, not simulated: the most leaking pair of rates that (epsilon, delta) allows, for many FPRs.
    bounds = table_of_bounds(m, n, delta=delta)
    worst = 0.0
    for epsilon in (0.0, 0.2, 0.7, 1.5, 3.0):
        for fpr in np.linspace(0.0, 1.0, 41):
            tpr = min(math.exp(epsilon) * fpr + delta, 1 - (1 - fpr - delta) * math.exp(-epsilon), 1.0)
            outcomes = np.outer(binom.pmf(np.arange(m + 1), m, tpr), binom.pmf(np.arange(n + 1), n, fpr))
            worst = max(worst, outcomes[bounds > epsilon + 1e-9].sum())
    assert worst <= 0.05
    if not delta:  # the enumeration reaches the bad outcomes
        assert worst > 0.001


def test_a_known_count_gives_its_closed_form_bound() -> None:
    # 100 of 100 records above the cut are members, as many members as non-members: P(right) >= 0.025^(1/100).
    membership = np.repeat([1, 0], 200)
    scores = np.zeros(400)
    scores[:100] = 1.0
    right = 0.025 ** (1 / 100)
    assert epsilon_lower(scores, membership, threshold=0.5).value == pytest.approx(math.log(right / (1 - right)))


def test_the_share_of_members_in_the_whole_audit_gives_a_bound_of_zero() -> None:
    # 30% of the records above the cut are members, as in the whole audit: nothing leaks.
    membership = np.repeat([1, 0], [300, 700])
    scores = np.zeros(1000)
    scores[:90] = scores[300:510] = 1.0
    assert epsilon_lower(scores, membership, threshold=0.5).value == 0.0


@pytest.mark.parametrize("n", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_leak_gives_a_positive_bound_in_at_most_five_percent(n: int) -> None:
    audits = 400
    rng = np.random.default_rng(n)
    positive = np.mean([epsilon_lower(roc(*NOTHING.draw(n, n, rng))).value > 0 for _ in range(audits)])
    print(f"\nepsilon_lower > 0 without leakage, n = {n} + {n}: {positive:.1%} of {audits} audits")
    assert positive <= 0.05


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_bound_of_randomised_response_exceeds_its_epsilon_in_at_most_five_percent(epsilon: float) -> None:
    # The mechanism that attains epsilon at every cut: the answer is the true membership with odds exp(epsilon).
    rng = np.random.default_rng(1)
    membership = np.repeat([1, 0], 500)
    truth = 1 / (1 + math.exp(-epsilon))
    bounds = []
    for _ in range(400):
        answer = np.where(rng.random(1000) < truth, membership, 1 - membership)
        bounds.append(epsilon_lower(answer * rng.uniform(0.5, 1.0, 1000), membership).value)
    assert np.mean(np.array(bounds) > epsilon) <= 0.05
    assert np.median(bounds) > 0.3 * epsilon


@pytest.mark.parametrize("population", [*WEAK[1:], FEW_EXPOSED], ids=str)
def test_more_records_raise_the_bound_of_a_leaking_model(population: Population) -> None:
    rng = np.random.default_rng(2)
    small, large = (
        np.median([epsilon_lower(*population.draw(n, n, rng)).value for _ in range(20)]) for n in (1000, 10_000)
    )
    assert 0.2 < small < large


def test_one_test_on_one_count_gives_a_higher_bound_than_two_intervals() -> None:
    # Clopper-Pearson of both rates at alpha / 2 over the same number of cuts, as other tools do with correction.
    rng = np.random.default_rng(3)
    gain = []
    for _ in range(20):
        curve = roc(*WEAK[2].draw(1000, 1000, rng))
        boxes = []
        for size in 2 ** np.arange(4, 11):
            at = np.searchsorted(curve.tp + curve.fp, size)
            tail = 0.05 / 14 / 2
            low = binom_low(curve.tp[at], 1000, tail)
            high = 1 - binom_low(1000 - curve.fp[at], 1000, tail)
            boxes.append(math.log(low / high) if low > 0 else 0.0)
        gain.append(epsilon_lower(curve).value - max(boxes))
    assert np.mean(gain) > 0.1


def binom_low(successes: int, trials: int, tail: float) -> float:
    return float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0


def test_calibration_on_other_records_raises_the_bound() -> None:
    rng = np.random.default_rng(4)
    curve, other = (roc(*FEW_EXPOSED.draw(2000, 2000, rng)) for _ in range(2))
    searched, calibrated = epsilon_lower(curve), epsilon_lower(curve, calibration=other)
    assert calibrated.value > searched.value > 1.0
    assert "calibrated" in calibrated.method


@given(scored())
def test_ties_and_small_audits_give_a_finite_bound(data: Scored) -> None:
    estimate = epsilon_lower(*data)
    assert 0.0 <= estimate.value < math.inf
    assert estimate.low == estimate.value
    assert estimate.high == math.inf
    assert epsilon_lower(roc(*data)).value == estimate.value
    assert epsilon_lower(*data, calibration=roc(*data)).value >= 0.0


def test_cuts_do_not_depend_on_the_membership() -> None:
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 30, 600).astype(float)
    membership = rng.permutation(np.repeat([1, 0], 300))
    curve, shuffled = roc(scores, membership), roc(scores, rng.permutation(membership))
    for a, b in zip(_cuts(curve), _cuts(shuffled), strict=True):
        np.testing.assert_array_equal(a, b)


def test_delta_and_level_lower_the_bound() -> None:
    curve = roc(*FEW_EXPOSED.draw(2000, 2000, np.random.default_rng(6)))
    plain = epsilon_lower(curve).value
    assert epsilon_lower(curve, delta=0.01).value < epsilon_lower(curve, delta=1e-5).value <= plain
    assert epsilon_lower(curve, level=0.999).value < plain


def test_a_bad_delta_a_nan_threshold_and_two_sources_of_a_cut_are_refused() -> None:
    curve = roc([1.0, 2.0], [0, 1])
    with pytest.raises(InputError, match="delta"):
        epsilon_lower(curve, delta=1.0)
    with pytest.raises(InputError, match="threshold: NaN"):
        epsilon_lower(curve, threshold=float("nan"))
    with pytest.raises(InputError, match="keep one"):
        epsilon_lower(curve, threshold=1.0, calibration=curve)


@pytest.mark.parametrize("delta", [0.0, 0.001])
def test_the_bound_of_records_that_count_twice_is_that_of_half_as_many(delta: float) -> None:
    scores, membership = FEW_EXPOSED.draw(2000, 2000, np.random.default_rng(7))
    single = epsilon_lower(scores, membership, threshold=2.5, delta=delta).value
    twice = np.repeat(scores, 2), np.repeat(membership, 2)
    double = epsilon_lower(*twice, threshold=2.5, delta=delta, design_effect=2.0).value
    assert double == pytest.approx(single, abs=1e-12)
    assert epsilon_lower(*twice, threshold=2.5, delta=delta).value > single > 0.0
    with pytest.raises(InputError, match="design_effect"):
        epsilon_lower(scores, membership, design_effect=0.0)
